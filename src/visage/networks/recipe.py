"""How a classifier is learnt: one flat recipe, which a member or a task may override key by key."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from visage.networks.images import Preprocessing
from visage.runtime.params import FILE, Params, load, to_tuples

Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class TrainParams(Params):
    """`train`, then `members.<member>`, then `tasks.<task>`; what each key means stands beside it in params.yaml."""

    # the pictures
    height: Count
    width: Count
    trim: float = Field(ge=0, lt=0.5)
    keep: Literal["all", "person", "face"]
    fill: tuple[int, int, int]
    standardise: Literal["fold", "imagenet"]
    # the network
    backbone: str
    weights: str
    unfreeze: Literal["all", "head"] | int
    hidden: tuple[Count, ...]
    dropout: Share
    joint: bool
    # the heads and the loss
    head: Literal["classes", "distribution"]
    label_sigma: Positive
    old_from: float | None
    focal: NotNegative
    smoothing: Share
    class_weights: Literal["none", "balanced", "effective"]
    f1_weight: Share
    sampling: Literal["shuffled", "balanced"]
    # augmentation
    flip: Share
    shift: Share
    scale: NotNegative
    rotate: NotNegative
    jitter: NotNegative
    noise: NotNegative
    blur: NotNegative
    erase: Share
    mix_probability: Share
    mixup: Share
    cutmix: Share
    # the schedule
    epochs: Count
    batch: Count
    optimizer: Literal["adamw", "sgd"]
    lr: Positive
    backbone_lr_scale: NotNegative
    weight_decay: NotNegative
    warmup: Share
    clip: NotNegative
    ema: float = Field(ge=0, lt=1)
    early_stop: Literal["none", "loss", "macro_f1"]
    patience: Count
    validation_share: Share
    eval_every: int = Field(ge=0)
    precision: Literal["float32", "bfloat16", "float16"]
    compile: bool
    seed: int

    renamed: ClassVar = {
        "spread": "label_sigma",
        "mix": "mix_probability",
        "optimiser": "optimizer",
        "backbone_lr": "backbone_lr_scale",
        "inner_share": "validation_share",
        "watch": "eval_every",
        "label": "labels.<task>.field",
        "classes": "labels.<task>.classes",
        "bins": "labels.<task>.bins",
    }

    @model_validator(mode="after")
    def check(self) -> Self:
        problems = []
        if isinstance(self.unfreeze, int) and self.unfreeze < 1:
            problems.append(
                f"unfreeze is {self.unfreeze}, and should be all, head, or how many of the last blocks, from 1."
            )
        if not all(0 <= channel <= 255 for channel in self.fill):
            problems.append(f"fill is {list(self.fill)}, and should be red, green, blue from 0 to 255.")
        if self.early_stop != "none" and not 0 < self.validation_share < 1:
            problems.append(
                "early_stop needs validation_share, the share of training people to score on, such as 0.15."
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are prepared for networks of this recipe, in training and prediction alike."""
        return Preprocessing(self.height, self.width, self.keep, self.fill, self.trim)


def recipe_from_json(values: dict[str, Any]) -> TrainParams:
    """The recipe out of a checkpoint's card; JSON knows lists where we have tuples."""
    return TrainParams(**to_tuples(values))


def load_recipe(task: str, member: str, path: Path = FILE) -> TrainParams:
    """What params.yaml says about this member learning this task.

    A joint member has one network for all tasks, so what a single task overrides does not count for it.
    """
    recipe = load(TrainParams, "train", f"members.{member}", f"tasks.{task}", path=path)
    return load(TrainParams, "train", f"members.{member}", path=path) if recipe.joint else recipe
