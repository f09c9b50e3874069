"""card.json: what a bundle holds, how its networks are asked, how good it is and what it was made from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from visage.formats.tasks import Task

FILE = "card.json"
FORMAT = 1  # another number, another structure


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a bundle whose files are all there."""
    path = Path(folder) / FILE
    if not path.is_file():
        raise ValueError(
            f"{folder} is no bundle: it has no {FILE}. `dvc repro bundle` makes one; --model names another folder."
        )
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); get the bundle anew.") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ValueError(f"{path} is not a card of format {FORMAT}, which this version of visage reads.")
    if "absent" in card:
        raise ValueError(f"{folder} holds no networks: {card['absent']}")
    if absent := [name for name in list_files(card) if not (Path(folder) / name).is_file()]:
        raise ValueError(f"{folder} lacks {', '.join(absent)}, which its card names; get the bundle anew.")
    return card


def list_files(card: Mapping[str, Any]) -> list[str]:
    """The files that a card names, below the bundle's folder."""
    files = [card["detect"]["file"], (card["matting"] or {}).get("file")]
    return [name for name in [*files, *(row["file"] for row in card["networks"])] if name]


def card_tasks(card: Mapping[str, Any]) -> list[Task]:
    return [Task(row["name"], tuple(row["classes"]), row["source"], tuple(row["bins"])) for row in card["tasks"]]


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    (Path(folder) / FILE).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
