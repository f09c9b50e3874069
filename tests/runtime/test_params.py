from typing import Annotated, ClassVar, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from visage.runtime.params import Params, load, validate


class Bread(Params):
    grams: int = Field(gt=0, le=9000)
    hours: float = Field(ge=0)
    flour: Literal["rye", "wheat"]
    seeds: tuple[str, ...] = ()
    note: str | None = None
    salted: bool = True
    shares: dict[str, dict[str, Annotated[float, Field(gt=0, le=1)]]] = Field(default={})
    renamed: ClassVar = {"weight": "grams"}


def read(tmp_path, text, *sections, **more):
    (tmp_path / "params.yaml").write_text(text)
    return load(Bread, *(sections or ["bread"]), path=tmp_path / "params.yaml", **more)


def test_a_section_becomes_its_dataclass(tmp_path):
    bread = read(tmp_path, "bread: {grams: 500, hours: 2, flour: rye, seeds: [poppy], note: null}")
    assert bread == Bread(grams=500, hours=2.0, flour="rye", seeds=("poppy",), note=None)
    assert isinstance(bread.hours, float)


def test_a_later_section_overrides_an_earlier_one(tmp_path):
    text = "bread: {grams: 500, hours: 2, flour: rye}\nsunday: {grams: 750}"
    assert read(tmp_path, text, "bread", "sunday") == Bread(grams=750, hours=2.0, flour="rye")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("bread: {grams: 500, hours: 2}", "params.yaml: bread: missing key 'flour'."),
        ("bread: {gram: 1, grams: 500, hours: 2, flour: rye}", "unknown key 'gram'. Did you mean 'grams'?"),
        ("bread: {grams: '500', hours: 2, flour: rye}", "grams is '500', and should be a whole number."),
        ("bread: {grams: true, hours: 2, flour: rye}", "grams is True, and should be a whole number."),
        ("bread: {grams: 1.5, hours: 2, flour: rye}", "grams is 1.5, and should be a whole number."),
        ("bread: {grams: 5, hours: 1e-4, flour: rye}", "YAML reads 1e-4 as text: write 1.0e-4 or 0.0001"),
        ("bread: {grams: 5, hours: 2, flour: ry}", "flour is 'ry'. Did you mean 'rye'?"),
        ("bread: {grams: 5, hours: 2, flour: rye, seeds: poppy}", "seeds is 'poppy', and should be a list of text."),
        ("bread: {grams: 5, hours: 2, flour: rye, salted: 1}", "salted is 1, and should be true or false."),
        ("bread: {grams: 5, hours: 2, flour: rye, note: 3}", "note is 3, and should be text or null."),
        ("bread: {grams: 0, hours: 2, flour: rye}", "grams is 0, and should be above 0 and up to 9000."),
        ("bread: {grams: 5, hours: -1, flour: rye}", "hours is -1, and should be 0 (off) or more."),
        ("bread: {grams: 5, hours: .nan, flour: rye}", "hours is nan, and should be a finite number."),
        ("bread: {weight: 5, hours: 2, flour: rye}", "'weight' is now called 'grams'."),
        ("bread: {grams: 5, hours: 2, flour: rye, seeds: [1]}", "seeds[0] is 1, and should be text."),
        (
            "bread: {grams: 5, hours: 2, flour: rye, shares: {a: {b: 2.0}}}",
            "shares.a.b is 2.0, and should be above 0 and up",
        ),
        ("breads: {}", "there is no section 'bread'. Did you mean 'breads'?"),
        ("bread: 3", "bread should be a section with keys, and is 3."),
        ("- 1", "should hold named sections, and holds list."),
        ("bread: {", "is not valid YAML"),
    ],
)
def test_a_wrong_file_is_told_in_a_sentence(tmp_path, text, sentence):
    with pytest.raises(ValueError) as told:
        read(tmp_path, text)
    assert sentence in str(told.value)


def test_all_problems_of_a_section_are_told_at_once(tmp_path):
    with pytest.raises(ValueError) as told:
        read(tmp_path, "bread: {grams: x, hours: y, colour: brown}")
    assert len(str(told.value).splitlines()) == 4


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"params\.yaml is missing; run from the folder that holds it"):
        load(Bread, "bread", path=tmp_path / "params.yaml")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
LEGAL = {"grams": 500, "hours": 2.0, "flour": "rye"}


@given(st.dictionaries(st.sampled_from([*Bread.model_fields, "weight", "Grams", ""]), values))
def test_any_values_become_the_model_or_a_sentence_for_each_problem(changes):
    try:
        bread = validate(Bread, LEGAL | changes, "params.yaml: bread")
    except ValueError as error:
        assert all(line.startswith("params.yaml: bread: ") for line in str(error).split("\n"))
    else:
        assert 0 < bread.grams <= 9000 and bread.hours >= 0 and bread.flour in ("rye", "wheat")
        assert type(bread.grams) is int and type(bread.salted) is bool


breads = st.builds(
    Bread,
    grams=st.integers(1, 9000),
    hours=st.floats(0, 1e6),
    flour=st.sampled_from(["rye", "wheat"]),
    seeds=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    note=st.none() | st.text(max_size=5),
)


@given(breads)
def test_a_model_survives_yaml(bread):
    plain = yaml.safe_load(yaml.safe_dump(to_lists_of(bread.model_dump())))
    assert validate(Bread, plain, "x") == bread


def to_lists_of(values: dict) -> dict:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
