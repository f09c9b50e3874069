"""`params.yaml`, read strictly: what a section says and what the code expects must be the same set of keys."""

import dataclasses
import difflib
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

T = TypeVar("T")
FILE = Path("params.yaml")


def load(schema: type[T], *sections: str, besides: type | None = None, path: Path = FILE) -> T:
    """The named sections, merged left to right (a later one wins), as one frozen dataclass.

    `besides` names another dataclass whose keys may stand in the same sections: `tasks.age` holds both
    where the label comes from and what the shared recipe should be for this task.
    """
    tree = read(path)
    merged: dict[str, Any] = {}
    for section in sections:
        merged |= find(tree, section, path)
    return parse(schema, merged, f"{path}: {' + '.join(sections)}", besides=besides)


def read(path: Path = FILE) -> dict[str, Any]:
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


def find(tree: dict[str, Any], section: str, path: Path = FILE) -> dict[str, Any]:
    """The mapping at a dotted name such as `tasks.age`; an empty section is an empty mapping."""
    here: Any = tree
    for depth, name in enumerate(section.split(".")):
        if not isinstance(here, dict) or name not in here:
            where = ".".join(section.split(".")[:depth]) or "the top level"
            hint = nearest(name, here if isinstance(here, dict) else [])
            raise ValueError(f"{path}: there is no section {section!r}.{hint} (looked in {where})")
        here = here[name]
    if not isinstance(here or {}, dict):
        raise ValueError(f"{path}: {section} should be a section with keys, and is {here!r}.")
    return here or {}


def parse(schema: type[T], values: dict[str, Any], where: str, *, besides: type | None = None) -> T:
    """A mapping as a frozen dataclass; all missing, unknown and mistyped keys in one error."""
    hints = typing.get_type_hints(schema)
    fields = {field.name: field for field in dataclasses.fields(schema)}
    others = {field.name for field in dataclasses.fields(besides)} if besides else set()
    problems, parsed = [], {}
    for key in values.keys() - fields.keys() - others:
        problems.append(f"unknown key {key!r}.{nearest(key, [*fields, *others])}")
    for name, field in fields.items():
        if name not in values:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                problems.append(f"missing key {name!r}.")
            continue
        try:
            parsed[name] = convert(values[name], hints[name], name)
        except ValueError as error:
            problems.append(str(error))
    if not problems:
        try:
            return schema(**parsed)
        except ValueError as error:  # a dataclass may check what a type cannot say, in __post_init__
            problems.append(str(error))
    raise ValueError("\n".join(f"{where}: {problem}" for problem in sorted(problems)))


def nearest(name: Any, legal: typing.Iterable[Any]) -> str:
    """' Did you mean ...?' for the closest legal name, or the list of all of them."""
    legal = [str(one) for one in legal]
    close = difflib.get_close_matches(str(name), legal, n=1)
    return f" Did you mean {close[0]!r}?" if close else f" Legal: {', '.join(sorted(legal))}." if legal else ""


def convert(value: Any, hint: Any, name: str) -> Any:
    """A YAML value as the type that the dataclass asks for; numbers in quotes and yes-for-1 are refused."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return convert_any(value, args, name)
    if origin is Literal:
        if value not in args or isinstance(value, bool) != any(value is one for one in args if isinstance(one, bool)):
            raise ValueError(f"{name} is {value!r}.{nearest(value, args)}")
        return value
    if origin is tuple and isinstance(value, list):
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(kinds) != len(value):
            raise ValueError(f"{name} is {value!r}, and should be a list of {len(kinds)}.")
        return tuple(convert(one, kind, f"{name}[{i}]") for i, (one, kind) in enumerate(zip(value, kinds, strict=True)))
    if origin is dict and isinstance(value, dict):
        return {str(key): convert(one, args[1], f"{name}.{key}") for key, one in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return parse(hint, value, name)
    if hint is float and type(value) in (int, float):
        return float(value)
    if type(value) is hint:
        return value
    advice = " (YAML reads 1e-4 as text: write 1.0e-4 or 0.0001)" if hint is float and is_number(value) else ""
    raise ValueError(f"{name} is {value!r}, and should be {spoken(hint)}{advice}.")


def convert_any(value: Any, kinds: tuple[Any, ...], name: str) -> Any:
    for kind in kinds:
        if kind is type(None):
            if value is None:
                return None
            continue
        try:
            return convert(value, kind, name)
        except ValueError:
            continue
    raise ValueError(f"{name} is {value!r}, and should be {' or '.join(spoken(kind) for kind in kinds)}.")


def is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def spoken(hint: Any) -> str:
    """A type as a person says it."""
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return f"a list of {spoken(typing.get_args(hint)[0])}"
    return names.get(hint, "a section with keys")
