"""`params.yaml`, read strictly: a section holds exactly the keys of its pydantic model, within their bounds."""

import re
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from visage.runtime.problems import suggest_nearest

FILE = Path("params.yaml")
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Params(BaseModel):
    """The base of all parameter models: frozen, no unknown keys, no text for numbers, no NaN.

    `renamed` maps keys of earlier versions to what they are called now, for the error message.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    renamed: ClassVar[dict[str, str]] = {}

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ValueError("\n".join(describe_errors(error, type(self)))) from None

    def replace(self, **changes: Any) -> Self:
        """The same parameters with some changed, checked again."""
        return type(self)(**(self.model_dump() | changes))


Model = TypeVar("Model", bound=Params)


def load(model: type[Model], *sections: str, path: Path = FILE) -> Model:
    """The named sections (dotted names), merged left to right: a later one overrides."""
    tree = read_params(path)
    merged: dict[str, Any] = {}
    for section in sections:
        merged |= find_section(tree, section, path)
    return validate(model, merged, f"{path}: {' + '.join(sections)}")


def validate(model: type[Model], values: dict[str, Any], where: str) -> Model:
    """The model of these values; every problem is a line that begins with `where`."""
    try:
        return model(**{str(key): to_tuples(value) for key, value in values.items()})
    except ValueError as error:
        raise ValueError("\n".join(f"{where}: {line}" for line in str(error).splitlines())) from None


def read_params(path: Path = FILE) -> dict[str, Any]:
    """The whole file as nested dicts."""
    try:
        tree = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; run from the folder that holds it.") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise ValueError(f"{path} should hold named sections, and holds {type(tree).__name__}.")
    return tree


def find_section(tree: dict[str, Any], section: str, path: Path = FILE) -> dict[str, Any]:
    """The mapping at a dotted name such as `members.plain`; an empty section is an empty mapping."""
    here: Any = tree
    for depth, name in enumerate(section.split(".")):
        if not isinstance(here, dict) or name not in here:
            where = ".".join(section.split(".")[:depth]) or "the top level"
            hint = suggest(name, here if isinstance(here, dict) else [])
            raise ValueError(f"{path}: there is no section {section!r}.{hint} (looked in {where})")
        here = here[name]
    if not isinstance(here or {}, dict):
        raise ValueError(f"{path}: {section} should be a section with keys, and is {here!r}.")
    return here or {}


def to_tuples(value: Any) -> Any:
    """YAML's lists as the tuples that frozen models hold."""
    if isinstance(value, list):
        return tuple(map(to_tuples, value))
    if isinstance(value, dict):
        return {str(key): to_tuples(one) for key, one in value.items()}
    return value


def check_name(name: Any, what: str, reserved: Iterable[str] = ()) -> None:
    """Names from params.yaml become parts of commands, paths and columns: only plain ones may."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{what} is called {name!r}; a name is small letters, digits and _, such as age or wide_2.")
    if name in reserved:
        raise ValueError(f"{what} is called {name!r}, which a column of ours is called already; choose another name.")


def suggest(name: Any, legal: Iterable[Any]) -> str:
    """' Did you mean ...?' for the closest legal name, or the list of all of them."""
    names = [str(one) for one in legal]
    return suggest_nearest(str(name), names) or (f" Legal: {', '.join(sorted(names))}." if names else "")


def describe_errors(error: ValidationError, model: type[Params]) -> list[str]:
    """A sentence for each problem; of a value that could have been several types, one sentence."""
    sentences: dict[str, str] = {}
    for details in error.errors():
        name = locate(model, details["loc"])[0] if details["loc"] else details["type"]
        sentences.setdefault(name, describe_error(details, model))
    return sorted(line for sentence in sentences.values() for line in sentence.splitlines())


def locate(model: type[Params], loc: tuple[int | str, ...]) -> tuple[str, Any, list[Any]]:
    """Of a place in the values: its name (`fill[2]`, `classes.age.<30`), its type, and what else is asked of it."""
    name = str(loc[0])
    if name not in model.model_fields:
        return name, None, []
    annotation, metadata = model.model_fields[name].annotation, list(model.model_fields[name].metadata)
    for part in loc[1:]:
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is tuple:
            name, annotation = f"{name}[{part}]", args[0]
        elif origin is dict:
            name, annotation = f"{name}.{part}", args[1]
        else:  # which of several types was tried
            break
        metadata = []
        if typing.get_origin(annotation) is typing.Annotated:
            annotation, *fields = typing.get_args(annotation)
            metadata = [mark for field in fields for mark in field.metadata]
    return name, annotation, metadata


def describe_error(error: dict[str, Any], model: type[Params]) -> str:
    """The sentence for one of pydantic's errors."""
    if error["type"] == "value_error":  # from a validator of ours, which has written the sentence
        return str(error["ctx"]["error"])
    name, annotation, metadata = locate(model, error["loc"])
    if error["type"] == "missing":
        return f"missing key {name!r}."
    if error["type"] == "extra_forbidden":
        if name in model.renamed:
            return f"{name!r} is now called {model.renamed[name]!r}."
        return f"unknown key {name!r}.{suggest(name, model.model_fields)}"
    return describe_value(name, to_lists(error["input"]), error["type"], annotation, metadata)


def describe_value(name: str, value: Any, kind: str, annotation: Any, metadata: list[Any]) -> str:
    """What is wrong with one value: out of bounds, none of the legal words, or of another type."""
    if kind.startswith(("greater_than", "less_than")):
        return f"{name} is {value!r}, and should be {describe_bounds(metadata)}."
    if kind == "finite_number":
        return f"{name} is {value}, and should be a finite number."
    if typing.get_origin(annotation) is Literal:
        return f"{name} is {value!r}.{suggest(value, typing.get_args(annotation))}"
    advice = ""
    if annotation is float and isinstance(value, str) and is_number(value):
        advice = " (YAML reads 1e-4 as text: write 1.0e-4 or 0.0001)"
    return f"{name} is {value!r}, and should be {type_name(annotation)}{advice}."


def describe_bounds(metadata: list[Any]) -> str:
    """All bounds of a field in words, such as 'from 0 to 1'."""
    words = {"gt": "above", "ge": "from", "lt": "below", "le": "up to"}
    bounds = {mark: getattr(one, mark) for one in metadata for mark in words if getattr(one, mark, None) is not None}
    if set(bounds) == {"ge"}:
        return f"{bounds['ge']:g}{' (off)' if bounds['ge'] == 0 else ''} or more"
    if set(bounds) == {"ge", "le"}:
        return f"from {bounds['ge']:g} to {bounds['le']:g}"
    return " and ".join(f"{words[mark]} {bounds[mark]:g}" for mark in words if mark in bounds)


def is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def to_lists(value: Any) -> Any:
    """Tuples as the lists that a person wrote."""
    return list(map(to_lists, value)) if isinstance(value, tuple) else value


def type_name(annotation: Any) -> str:
    """A type as a person says it."""
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    args = typing.get_args(annotation)
    if typing.get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(str, args))
    if typing.get_origin(annotation) is typing.Annotated:
        return type_name(args[0])
    if typing.get_origin(annotation) is tuple:
        return f"a list of {type_name(args[0])}"
    if type(None) in args or (len(args) > 1 and typing.get_origin(annotation) is not dict):
        return " or ".join(type_name(kind) for kind in args)
    return names.get(annotation, "a section with keys")
