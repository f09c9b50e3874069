"""The report: complete where all is known, a sentence where something is not, and no single person without leave."""

import dataclasses
import inspect
import json
import re
import runpy
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import PROJECT
from tests.drawn_members import COMPETITION as TASKS
from tests.report.example_run import write_example_run
from visage.report.figures import build_confusion, draw_curves
from visage.report.page import data_uri, format_duration, render_page
from visage.report.run_results import ReportParams, RunResults, read_crops, read_run_results
from visage.report.sections import worst_mistakes


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> dict[str, Path]:
    return write_example_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def results(paths) -> RunResults:
    return read_run_results(paths)


class Outline(HTMLParser):
    """Checks that tags nest, and collects ids, links, texts of pictures and addresses."""

    VOID = ("meta", "link", "img", "br", "line", "polyline")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.ids, self.links, self.alts, self.addresses = [], set(), set(), [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list) -> None:
        values = dict(attrs)
        if "id" in values:
            self.ids.add(values["id"])
        if tag == "img":
            self.alts.append(values["alt"])
        for address in (values.get(name, "") for name in ("href", "src", "action")):
            if address.startswith("#"):
                self.links.add(address[1:])
            elif address:
                self.addresses.append(address)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_whole_run_is_on_the_page(paths, results):
    text = render_page(results, "tiny", faces=False)
    outline = Outline(text)
    assert len(outline.ids) == 13 and outline.links == outline.ids
    joint = json.loads(paths["scores"].read_text())["joint"]
    assert f"<strong>{joint['macro_f1']:.3f}</strong>" in text and "<svg" in text and "4 min 10 s" in text
    assert "dvc repro" not in text


NAMES = (
    "photos tasks crops mattes transplants answers scores plots ablation curves label_issues attention missed key "
    "params seconds submission groups card sheets single_sheets crop_sheets transplant_sheets"
)


@pytest.mark.parametrize("missing", NAMES.split())
def test_a_page_comes_whole_without_any_one_of_its_inputs(paths, results, missing):
    rest = read_run_results({name: path for name, path in paths.items() if name != missing})
    faces = missing != "sheets"  # in their place, single_sheets are shown with leave
    text = render_page(rest, "tiny", faces=faces)
    Outline(text)
    assert text != render_page(results, "tiny", faces=faces)


def test_a_page_of_nothing_says_what_to_run(tmp_path):
    text = render_page(read_run_results({"photos": tmp_path / "none.csv"}), "tiny", faces=True)
    Outline(text)
    assert text.count('class="absent"') >= 8 and "dvc repro" in text


@pytest.mark.parametrize("faces", [True, False])
def test_the_page_needs_no_network_and_no_script(results, faces):
    text = render_page(results, "tiny", faces=faces)
    assert all(address.startswith("data:") for address in Outline(text).addresses)
    assert "<script" not in text and "@import" not in text and not re.search(r"url\((?!data:)", text)
    assert """content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">""" in text


def test_single_people_are_shown_only_with_leave(paths, results):
    mistakes = set(worst_mistakes(results)["photo"])
    results = dataclasses.replace(results, crops=read_crops(paths["crops"], mistakes))
    groups = (results.single_sheets, results.crop_sheets, results.transplant_sheets)
    sheets = [sheet for group in groups for sheet in group.values()]
    closed, open_ = (render_page(results, "tiny", faces=faces) for faces in (False, True))
    photos = set(results.photos["photo"])
    assert not photos & set(Outline(closed).alts) and not any(data_uri(sheet) in closed for sheet in sheets)
    assert photos & set(Outline(open_).alts) == mistakes and all(data_uri(sheet) in open_ for sheet in sheets)


@pytest.mark.parametrize("name, faces, shown", [("practice", False, True), ("own", False, False), ("mine", True, True)])
def test_only_people_who_do_not_exist_are_shown_without_leave(name, faces, shown):
    assert ReportParams(faces=faces).allow_faces(name) is shown


def test_the_page_says_how_much_of_the_crops_lies_outside_the_photos(results):
    assert "31% of its area outside its photo" in render_page(results, "tiny", faces=False)


def test_texts_of_files_are_escaped(paths, results):
    hostile = '"><img src=x onerror=alert(1)>'
    issues = results.label_issues.assign(person="<script>alert(1)</script>", note=hostile)
    missed = pd.DataFrame({"photo": [f"{hostile}.jpg"]})
    mistakes = worst_mistakes(results).iloc[0]["photo"]
    photos, answers = (table.replace({mistakes: hostile}) for table in (results.photos, results.answers))
    results = dataclasses.replace(
        results, label_issues=issues, missed=missed, photos=photos, answers=answers,
        crops=read_crops(paths["crops"], {mistakes}) | {hostile: b"picture"}, single_sheets={hostile: b"picture"},
        seconds={hostile: 1.0},
    )  # fmt: skip
    for faces in (True, False):
        text = render_page(results, "<b>name</b>", faces=faces)
        assert "<script" not in text and "<img src=x" not in text and "<b>name" not in text
        assert "&lt;practice&gt; &amp; friends" in text


def test_the_worst_mistakes_are_wrong_and_the_worst_comes_first(results):
    mistakes = worst_mistakes(results)
    assert (mistakes["label"] != mistakes["answer"]).all() and set(mistakes["task"]) == {task.name for task in TASKS}
    for _, rows in mistakes.groupby("task"):
        assert rows["probability"].is_monotonic_increasing


def test_the_probability_of_a_mistake_is_that_of_its_label(results):
    answers = results.answers.set_index("photo")
    for mistake in worst_mistakes(results).itertuples():
        assert mistake.probability == answers.loc[mistake.photo, f"{mistake.task}/{mistake.label}"]


def test_a_run_without_mistakes_shows_none(paths, results):
    labels = results.photos.set_index("photo").loc[results.answers["photo"]]
    answers = results.answers.assign(**{task.name: labels[task.name].to_numpy() for task in TASKS})
    perfect = dataclasses.replace(results, answers=answers)
    assert worst_mistakes(perfect).empty and read_crops(paths["crops"], set()) == {}
    assert "No held-out answers are known to be wrong" in render_page(perfect, "tiny", faces=True)


def test_a_confusion_has_the_truth_in_its_rows():
    pairs = [(actual, predicted, 0) for actual in "abc" for predicted in "abc"]
    table = pd.DataFrame(pairs, columns=["actual", "predicted", "photos"]).astype({"photos": str})
    table.loc[[0, 1, 4], "photos"] = "1"
    assert build_confusion(table, ["a", "b", "c"]).rows == [
        ("a", [("a", 1, 0.5), ("b", 1, 0.5), ("c", 0, 0)]),
        ("b", [("a", 0, 0), ("b", 1, 1), ("c", 0, 0)]),
        ("c", [("a", 0, 0), ("b", 0, 0), ("c", 0, 0)]),
    ]


def test_a_curve_of_one_epoch_stays_within_its_chart():
    rows = pd.DataFrame({"fold": [0], "epoch": [1], "split": ["train"], "macro_f1": [1.0]})
    chart = draw_curves(rows, "x")
    assert chart.lines == [("thin train", [(chart.left, chart.top)]), ("bold train", [(chart.left, chart.top)])]


def test_a_better_epoch_is_higher_and_a_later_one_further_right():
    rows = pd.DataFrame({"fold": 0, "epoch": [2, 1], "split": "train", "macro_f1": [0.9, 0.2]})
    (x1, y1), (x2, y2) = draw_curves(rows, "x").lines[0][1]
    assert x1 < x2 and y1 > y2


@pytest.mark.parametrize("seconds, text", [(3.44, "3.4 s"), (119.7, "2 min 0 s"), (250, "4 min 10 s")])
def test_a_duration_is_in_minutes_from_a_minute_on(seconds, text):
    assert format_duration(seconds) == text


def test_the_stage_writes_the_page_from_paths_and_bears_missing_ones(paths, project):
    (project / "params.yaml").write_text("data: {name: tiny}\nreport: {faces: true}\n")
    main = runpy.run_path(str(PROJECT / "stages/report.py"))["main"]
    *names, _ = inspect.signature(main).parameters
    main(*[paths[name] for name in names], project / "report.html")
    text = (project / "report.html").read_text()
    assert "<h1>tiny</h1>" in text and "data:image/jpeg" in text  # crops of the worst mistakes
    main(*[project / "missing"] * len(names), project / "empty.html")
    assert (project / "empty.html").read_text().count('class="absent"') >= 8
