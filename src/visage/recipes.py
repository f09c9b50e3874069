"""How a classifier is learnt: one flat recipe, which a member or a task may override key by key."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from visage.labels import TaskParams
from visage.params import FILE, load

SHARES = (
    "dropout",
    "smoothing",
    "f1_weight",
    "flip",
    "erase",
    "mix",
    "mixup",
    "cutmix",
    "shift",
    "warmup",
    "inner_share",
)  # 0 to 1
NOT_NEGATIVE = ("focal", "scale", "rotate", "jitter", "noise", "blur", "weight_decay", "clip", "backbone_lr", "watch")
POSITIVE = ("height", "width", "spread", "epochs", "batch", "lr", "patience")


@dataclass(frozen=True)
class TrainParams:
    """`train`, then `members.<member>`, then `tasks.<task>`; what each key means stands beside it in params.yaml."""

    # the pictures
    height: int
    width: int
    trim: float
    keep: Literal["all", "person", "face"]
    fill: tuple[int, int, int]
    standardise: Literal["fold", "imagenet"]
    # the network
    backbone: str
    weights: str
    unfreeze: Literal["all", "head"] | int
    hidden: tuple[int, ...]
    dropout: float
    joint: bool
    # what it answers, and what a wrong answer costs
    head: Literal["classes", "distribution"]
    spread: float
    old_from: float | None
    focal: float
    smoothing: float
    class_weights: Literal["none", "balanced", "effective"]
    f1_weight: float
    sampling: Literal["shuffled", "balanced"]
    # how the pictures vary
    flip: float
    shift: float
    scale: float
    rotate: float
    jitter: float
    noise: float
    blur: float
    erase: float
    mix: float
    mixup: float
    cutmix: float
    # the schedule
    epochs: int
    batch: int
    optimiser: Literal["adamw", "sgd"]
    lr: float
    backbone_lr: float
    weight_decay: float
    warmup: float
    clip: float
    ema: float
    early_stop: Literal["none", "loss", "macro_f1"]
    patience: int
    inner_share: float
    watch: int
    precision: Literal["float32", "bfloat16", "float16"]
    compile: bool
    seed: int

    def __post_init__(self) -> None:
        problems = [
            *(
                f"{name} is {getattr(self, name)}, and should be from 0 to 1."
                for name in SHARES
                if not self.share(name)
            ),
            *(
                f"{name} is {getattr(self, name)}, and should be 0 (off) or more."
                for name in NOT_NEGATIVE
                if getattr(self, name) < 0
            ),
            *(
                f"{name} is {getattr(self, name)}, and should be above 0."
                for name in POSITIVE
                if getattr(self, name) <= 0
            ),
        ]
        if not 0 <= self.trim < 0.5:
            problems.append(f"trim is {self.trim}, and should be from 0 (the whole crop) to below 0.5.")
        if not 0 <= self.ema < 1:
            problems.append(f"ema is {self.ema}, and should be 0 (off) or a share below 1, such as 0.99.")
        if isinstance(self.unfreeze, int) and self.unfreeze < 1:
            problems.append(
                f"unfreeze is {self.unfreeze}, and should be all, head, or how many of the last blocks, from 1."
            )
        if not all(0 <= channel <= 255 for channel in self.fill):
            problems.append(f"fill is {list(self.fill)}, and should be red, green, blue from 0 to 255.")
        if self.early_stop != "none" and not 0 < self.inner_share < 1:
            problems.append("early_stop needs inner_share, the share of training people to watch, such as 0.15.")
        if problems:
            raise ValueError("\n".join(problems))

    def share(self, name: str) -> bool:
        return 0 <= getattr(self, name) <= 1


def as_json(recipe: TrainParams) -> dict[str, Any]:
    return dataclasses.asdict(recipe)


def from_json(values: dict[str, Any]) -> TrainParams:
    """The recipe out of a checkpoint's card; JSON knows lists where we have tuples."""
    return TrainParams(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def load_recipe(task: str, member: str, path: Path = FILE) -> TrainParams:
    """What params.yaml says about this member learning this task.

    A joint member has one network for all tasks, so what a single task overrides does not count for it.
    """
    recipe = load(TrainParams, "train", f"members.{member}", f"tasks.{task}", besides=TaskParams, path=path)
    return load(TrainParams, "train", f"members.{member}", path=path) if recipe.joint else recipe
