"""A bundle's card in the words of the report, as rows of a name and a text."""

from collections.abc import Mapping
from typing import Any


def describe_card(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What `visage bundle show` prints, but for the scores and the digests."""
    return [*describe_networks(card), *describe_blend(card), *describe_cost(card), *describe_origin(card)]


def describe_networks(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    kinds = {}
    for network in card["networks"]:
        way = network["preprocessing"]
        kind = f"{network['member']} for {', '.join(network['tasks'])}, {way['width']} x {way['height']} pixels"
        kinds[kind] = kinds.get(kind, 0) + 1
    folds = "one network for each fold" if card["folds"] == "all" else "the network of one fold"
    check = card["check"]
    return [
        *((f"answers: {task['name']}", ", ".join(task["classes"])) for task in card["tasks"]),
        ("faces", f"detector {card['detect']['detector']}, a score of {card['detect']['threshold']} or more"),
        ("networks", f"{len(card['networks'])} in {card['precision']}, {folds}; views of a face: {card['views']}"),
        *(("", f"{count} of {kind}") for kind, count in kinds.items()),
        (
            "same as PyTorch",
            f"on {check['photos']} photos, probabilities differ by at most {check['largest_difference']:.1g}",
        ),
    ]


def describe_blend(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The members' weights, the temperature, and the classes that the rule favours (+) or not (-), in nats."""
    rows = []
    for task in card["tasks"]:
        exponents, offsets = card["blend"][task["name"]], card["rule"][task["name"]]["offsets"]
        total = sum(exponents.values())
        shares = [f"{member} {value / total:.2f}" for member, value in exponents.items()] if total else list(exponents)
        moved = [f"{name} {offset:+.1f}" for name, offset in zip(task["classes"], offsets, strict=True) if offset]
        temperature = f"; temperature {1 / total:.2f}" if total else ""
        rule = f"offsets {', '.join(moved)}" if moved else "the likeliest class"
        rows.append((f"blend: {task['name']}", f"{', '.join(shares)}{temperature}; {rule}"))
    return rows


def describe_cost(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a smaller or faster bundle gives up of the scores, which are those of all networks in full precision."""
    cost, rows = card["cost"], []
    if own := cost.get("precision"):
        rows.append((f"cost of {card['precision']}", describe_change(own)))
    if own := cost.get("networks"):
        alone = own["held_out"]
        rows.append(("cost of one fold", f"joint macro F1 {alone['joint']:.3f} on {alone['people']:,} held-out people"))
        rows += [("", f"{describe_change(own['key'])} of the key")] if "key" in own else []
    return rows


def describe_change(own: Mapping[str, Any]) -> str:
    joint = own["scores"]["joint"]
    interval = f"[{joint['low']:+.3f}, {joint['high']:+.3f}]"
    return f"joint macro F1 {joint['before']:.3f} to {joint['after']:.3f}, {interval} on {own['photos']:,.0f} photos"


def describe_origin(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    trained = card["trained_on"]
    count = f"{trained['photos']:,} photos of {trained['people']:,} people"
    licences = (("licences" * (number == 0), note) for number, note in enumerate(card["licences"]))
    return [("learnt from", f"{count}, at revision {trained['revision'][:12]}"), *licences]


def list_scores(card: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """For the joint answer and each task: its name, macro F1 with 95% on held-out people, and that on the key or ''."""
    key = card["scores"].get("key", {})
    return [
        (
            name,
            f"{own['macro_f1']:.3f} [{own['low']:.3f}, {own['high']:.3f}]",
            f"{key[name]['macro_f1']:.3f}" if name in key else "",
        )
        for name, own in card["scores"]["held_out"].items()
    ]
