"""How a classifier is learnt: one flat recipe, which a member or a task may override key by key."""

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from visage.networks.images import Preprocessing
from visage.runtime.params import FILE, Params, find_section, read_params, to_tuples, validate

Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class TrainParams(Params):
    """`train`, then the member that a member is `like`, the member, the task; params.yaml says what each key means."""

    # the pictures
    height: Count
    width: Count
    trim: float = Field(ge=0, lt=0.5)
    keep: Literal["all", "person", "face"]
    fill: tuple[int, int, int]
    standardise: Literal["fold", "imagenet"]
    transplants: bool
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
    sampling: Literal["shuffled", "balanced", "people"]
    agreement: NotNegative
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
        if self.agreement and self.mix_probability:
            problems.append("agreement compares whole photos of a person; set mix_probability to 0 with it.")
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
    """What params.yaml says about this member learning this task."""
    return resolve_recipe(task, member, path)[0]


def resolve_recipe(task: str, member: str, path: Path = FILE) -> tuple[TrainParams, dict[str, str]]:
    """The recipe, and for each of its keys the section that says it: a later section overrides an earlier one.

    `train`, then the member that this one is `like`, the member, the task, and what the member says of this task
    (`members.<member>.tasks.<task>`). A joint member has one network for all tasks, so nothing that is said of a single
    task counts for it.
    """
    tree = read_params(path)
    members = member_sections(tree, member, path)
    sections = ["train", *members]
    own = [f"{name}.tasks.{task}" for name in members if has_task(tree, name, task, path)]
    recipe, sources = merge_sections(tree, [*sections, f"tasks.{task}", *own], path)
    return merge_sections(tree, sections, path) if recipe.joint else (recipe, sources)


def member_sections(tree: dict[str, Any], member: str, path: Path) -> list[str]:
    """`members.<member>`, after the one that it names in `like`."""
    base = find_section(tree, f"members.{member}", path).get("like")
    if base is None:
        return [f"members.{member}"]
    if further := find_section(tree, f"members.{base}", path).get("like"):
        raise ValueError(f"{path}: members.{member} is like {base}, which is itself like {further}; one step is legal.")
    return [f"members.{base}", f"members.{member}"]


def has_task(tree: dict[str, Any], member: str, task: str, path: Path) -> bool:
    """Whether a member says something of its own about this task; a task that does not exist is an error."""
    own = find_section(tree, member, path).get("tasks") or {}
    for name in own:
        find_section(tree, f"tasks.{name}", path)
    return task in own


def merge_sections(tree: dict[str, Any], sections: list[str], path: Path) -> tuple[TrainParams, dict[str, str]]:
    merged, sources = {}, {}
    for section in sections:
        values = {k: value for k, value in find_section(tree, section, path).items() if k not in ("like", "tasks")}
        merged |= values
        sources |= dict.fromkeys(values, section)
    return validate(TrainParams, merged, f"{path}: {' + '.join(sections)}"), sources


def describe_recipe(task: str, member: str, path: Path = FILE) -> str:
    """The recipe as YAML, a key a line, each with the section that says it."""
    recipe, sources = resolve_recipe(task, member, path)
    lines = [f"{key}: {json.dumps(value)}" for key, value in recipe.model_dump().items()]
    return "\n".join(f"{line:<34}# {sources[line.partition(':')[0]]}" for line in lines)


def write_recipe(path: Path, task: str, member: str, recipe: TrainParams) -> None:
    values = {"task": task, "member": member, "recipe": recipe.model_dump()}
    Path(path).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def read_recipe(path: Path) -> tuple[str, str, TrainParams]:
    """Task, member and recipe."""
    values = json.loads(Path(path).read_text(encoding="utf-8"))
    return values["task"], values["member"], recipe_from_json(values["recipe"])
