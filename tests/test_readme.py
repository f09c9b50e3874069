"""The README says what is there, in both languages alike."""

import re

import pytest
import yaml

from tests.conftest import PROJECT

ENGLISH, KOREAN = ((PROJECT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md"))
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md"), PROJECT / "scenes/README.md"])


def commands(text: str) -> list[str]:
    """Lines of the shell blocks, without comments and without what a command prints."""
    blocks = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    lines = [line.split("#")[0].removeprefix("$ ").strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"(make|dvc|python|git) ", line)]


def files(text: str) -> set[str]:
    links = set(re.findall(r"\]\(([^)#:]+)\)", text)) - {"README.md", "README.ko.md"}
    return links | set(re.findall(r"`([\w./<>-]+\.(?:csv|yaml|json|md|py))`", text))


def figures(text: str) -> list[str]:
    return re.findall(r"\d*\.\d+", text)


@pytest.mark.parametrize("extract", [commands, files, figures], ids=lambda function: function.__name__)
def test_both_languages_name_the_same(extract):
    assert extract(ENGLISH) and extract(KOREAN) == extract(ENGLISH)


def test_the_readme_is_short():
    assert len(ENGLISH.splitlines()) <= 130 and len(KOREAN.splitlines()) <= 130


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_every_parameter_that_a_command_sets_is_in_params_yaml(page):
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    scenes = yaml.safe_load((PROJECT / "scenes/params.yaml").read_text())
    for key in set(re.findall(r"-S '?([a-z_.]+)=", page.read_text(encoding="utf-8"))) - {"train.watch"}:  # renamed
        here = scenes if page.parent.name == "scenes" else params
        for name in key.split("."):
            assert name in here, f"{page.name}: {key}"
            here = here[name]
