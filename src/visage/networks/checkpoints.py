"""Checkpoints: a network's tensors with a card that says all that is needed to use it, in one safetensors file."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load, save

from visage.networks.network import Head, Network, build_network
from visage.networks.recipe import TrainParams, recipe_from_json
from visage.runtime.files import replace_folder


@dataclass(frozen=True)
class CheckpointCard:
    """The network's heads, the recipe and weights that it was made from, and the fold that it has not seen."""

    heads: tuple[Head, ...]
    recipe: TrainParams
    weights_digest: str
    fold: int

    def head_index(self, task: str) -> int:
        """The index of a task's head."""
        names = [head.task for head in self.heads]
        if task not in names:
            raise ValueError(f"the checkpoint answers {', '.join(names)}, not {task}.")
        return names.index(task)


def encode_checkpoint(network: Network, card: CheckpointCard) -> bytes:
    text = json.dumps(asdict(card) | {"recipe": card.recipe.model_dump()}, sort_keys=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return save(tensors, metadata={"card": text})


def parse_card(text: str) -> CheckpointCard:
    values = json.loads(text)
    heads = tuple(Head(h["task"], tuple(h["classes"]), tuple(h["cells"]), tuple(h["bins"])) for h in values["heads"])
    return CheckpointCard(heads, recipe_from_json(values["recipe"]), values["weights_digest"], values["fold"])


def read_card(path: Path) -> CheckpointCard:
    """The card alone; the tensors stay on disk."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    if "card" not in metadata:
        raise ValueError(f"{path} is no checkpoint of ours: it has no card. Weights of others go into train.weights.")
    return parse_card(metadata["card"])


def read_checkpoint(path: Path, device: str = "cpu") -> tuple[Network, CheckpointCard]:
    """The network in eval mode, and its card."""
    card = read_card(path)
    network = build_network(card.recipe, card.heads, weights=False)
    network.load_state_dict(load(Path(path).read_bytes()))
    return network.to(device).eval(), card


def write_checkpoints(folder: Path, folds: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One file per trained fold (fold, checkpoint, curve), and card.json for people; the folder appears whole.

    Returns the rows of all learning curves.
    """
    curves = []
    with replace_folder(folder) as part:
        for fold in folds:
            file = part / f"fold{fold['fold']}.safetensors"
            file.write_bytes(fold["checkpoint"])
            curves += fold["curve"]
        (part / "card.json").write_text(json.dumps(summarise_card(read_card(file)), indent=1) + "\n", encoding="utf-8")
    return curves


def summarise_card(card: CheckpointCard) -> dict[str, Any]:
    """What the checkpoints of all folds have in common."""
    tasks = {head.task: list(head.classes) for head in card.heads}
    return {"tasks": tasks, "recipe": card.recipe.model_dump(), "weights_digest": card.weights_digest}
