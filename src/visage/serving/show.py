"""A bundle's card as a person reads it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from visage.ensemble.answers import Blend

WIDTH = 12  # of the names on the left


def describe_card(card: Mapping[str, Any]) -> str:
    sections = [show_tasks, show_networks, show_blend, show_rule, show_scores, show_cost, show_training]
    return "\n".join(line for section in sections for line in section(card))


def row(name: str, text: str) -> str:
    return f"{name:<{WIDTH}}{text}"


def show_tasks(card: Mapping[str, Any]) -> Iterator[str]:
    for number, task in enumerate(card["tasks"]):
        yield row("tasks" * (number == 0), f"{task['name']}: {', '.join(task['classes'])}")


def show_networks(card: Mapping[str, Any]) -> Iterator[str]:
    detect, crop, check = card["detect"], card["crop"], card["check"]
    side = f"longer side {detect['side']} pixels" if detect["side"] else "photos at their own size"
    yield row("detector", f"{detect['detector']}, {side}, score {detect['threshold']} or more")
    size = f"{crop['width']} x {crop['size']} pixels"
    yield row("crop", f"{size}, margin {crop['margin']}, JPEG quality {crop['quality']}")
    folds = card["folds"].replace("_", " ")
    yield row("networks", f"{len(card['networks'])} in {card['precision']}, folds: {folds}, views: {card['views']}")
    by_kind: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for network in card["networks"]:
        by_kind.setdefault((network["member"], ", ".join(network["tasks"])), []).append(network)
    for (member, tasks), networks in by_kind.items():
        way = networks[0]["preprocessing"]
        size = f"{way['width']} x {way['height']} pixels"
        yield row("", f"{member} for {tasks}: {len(networks)} of {size}, keep: {way['keep']}")
    yield row("checked", f"probabilities as PyTorch's to {check['largest_difference']:.1g} on {check['photos']} photos")


def show_blend(card: Mapping[str, Any]) -> Iterator[str]:
    for number, (task, exponents) in enumerate(card["blend"].items()):
        blend = Blend(np.array(list(exponents.values()), float))
        weights = ", ".join(f"{member} {weight:.2f}" for member, weight in zip(exponents, blend.weights, strict=True))
        yield row("blend" * (number == 0), f"{task}: {weights}; temperature {blend.temperature:.2f}")


def show_rule(card: Mapping[str, Any]) -> Iterator[str]:
    classes = {task["name"]: task["classes"] for task in card["tasks"]}
    moved = [
        f"{task}/{name} {offset:+.1f}"
        for task, own in card["rule"].items()
        for name, offset in zip(classes[task], own["offsets"], strict=True)
        if offset
    ]
    yield row("rule", f"offsets: {', '.join(moved)}" if moved else "the likeliest class")


def show_scores(card: Mapping[str, Any]) -> Iterator[str]:
    kinds = {"held_out": "people that no network had seen", "key": "the answer key"}
    for kind, name in kinds.items():
        for number, (what, own) in enumerate(card["scores"].get(kind, {}).items()):
            interval = f"  [{own['low']:.4f}, {own['high']:.4f}]" if "low" in own else ""
            note = f"  on {name}" if number == 0 else ""
            yield row("scores" * (number == 0), f"{what:<8} macro F1 {own['macro_f1']:.4f}{interval}{note}")


def show_cost(card: Mapping[str, Any]) -> Iterator[str]:
    """What a faster bundle gives up, if this is one."""
    if own := card["cost"].get("precision"):
        yield row("cost", f"{card['precision']}: {change(own)}")
    if own := card["cost"].get("networks"):
        alone = own["held_out"]
        yield row("cost", f"one fold: joint macro F1 {alone['joint']:.4f} on the {alone['people']} people it held out")
        if "key" in own:
            yield row("", f"one fold instead of all: {change(own['key'])}")


def change(own: Mapping[str, Any]) -> str:
    joint = own["scores"]["joint"]
    interval = f"[{joint['low']:+.4f}, {joint['high']:+.4f}]"
    return f"joint macro F1 {joint['before']:.4f} -> {joint['after']:.4f}, {interval} on {own['photos']:.0f} photos"


def show_training(card: Mapping[str, Any]) -> Iterator[str]:
    trained = card["trained_on"]
    count = f"{trained['photos']:,} photos of {trained['people']:,} people"
    yield row("trained on", f"{count}; revision {trained['revision'][:12]}")
    for name, digest in trained["sha256"].items():
        yield row("", f"{name} sha256 {digest[:16]}")
    yield row("made with", ", ".join(f"{name} {version}" for name, version in card["versions"].items()))
    for number, note in enumerate(card["licences"]):
        yield row("licences" * (number == 0), note)
