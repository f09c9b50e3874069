"""The report: complete where all is known, a sentence where something is not, and nobody's face without leave."""

import dataclasses
import json
import re
import runpy
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import PROJECT
from tests.ensemble.test_label_issues import TASKS, drawn_answers, drawn_people, with_mistakes
from tests.planted import plant
from visage.ensemble.label_issues import find_label_issues
from visage.explain.face_regions import REGIONS
from visage.formats.columns import LANDMARKS
from visage.formats.shards import shard_order, write_shards
from visage.formats.tasks import class_codes, joint_class_names, joint_codes, write_tasks
from visage.report.detail_sections import worst_mistakes
from visage.report.figures import confusion, curves
from visage.report.page import CHAPTERS, render_page
from visage.report.run_results import read_faces, read_run_results
from visage.scores import class_scores


def drawn_run(folder: Path, people: int = 60) -> dict[str, Path]:
    """The files of a whole run about people who do not exist; word -> path, as `stages/report.py` has them."""
    rng = np.random.default_rng(0)
    photos = drawn_people(people, 1).assign(split="train")
    answers = drawn_answers(photos, 2).assign(split="train", fold=0, confidence=0.9)
    for task in TASKS:
        said = answers[[f"{task.name}/{name}" for name in task.classes]].to_numpy()
        answers[task.name] = np.array(task.classes, object)[said.argmax(1)]
    names = ["photos", "answers", "doubts", "missed", "submission"]
    paths = {name: folder / f"{name}.csv" for name in names} | {"tasks": folder / "tasks.json"}
    photos.to_csv(paths["photos"], index=False)
    answers.to_csv(paths["answers"], index=False)
    write_tasks(paths["tasks"], TASKS)
    wrong = with_mistakes(photos, plant(photos, 0.05, 3))
    find_label_issues(wrong, drawn_answers(photos, 2), TASKS, 0.1).to_csv(paths["doubts"], index=False)
    pd.DataFrame({"photo": photos["photo"][:5]}).to_csv(paths["missed"], index=False)
    pd.DataFrame({"ImageID": ["a.jpg"] * 350, "ans": 0}).to_csv(paths["submission"], index=False)
    return paths | measured(folder, photos, answers) | learnt(folder, rng) | pictures(folder, photos, rng)


def measured(folder: Path, photos: pd.DataFrame, answers: pd.DataFrame) -> dict[str, Path]:
    """Scores, confusions and the key, from the answers."""
    true, said = ([class_codes(table[task.name], task) for task in TASKS] for table in (photos, answers))
    more = {"log_loss": 0.31, "ece": 0.021, "fold_mean": 0.8, "fold_spread": 0.012}
    (folder / "plots/confusion").mkdir(parents=True)

    def card(name: str, t: np.ndarray, s: np.ndarray, classes: list[str]) -> dict:
        pairs = {"actual": np.array(classes)[t], "predicted": np.array(classes)[s]}
        pd.DataFrame(pairs).to_csv(folder / f"plots/confusion/{name}.csv", index=False)
        plain = class_scores(t, s, classes)
        return plain | more | {"low": plain["macro_f1"] - 0.05, "high": min(1.0, plain["macro_f1"] + 0.04)}

    tasks = {task.name: card(task.name, t, s, list(task.classes)) for task, t, s in zip(TASKS, true, said, strict=True)}
    joint = card("joint", joint_codes(true, TASKS), joint_codes(said, TASKS), joint_class_names(TASKS))
    (folder / "scores.json").write_text(json.dumps({"joint": joint, "tasks": tasks}))
    (folder / "key.json").write_text(json.dumps({"joint": joint, "tasks": tasks}))
    return {"scores": folder / "scores.json", "key": folder / "key.json", "plots": folder / "plots"}


def learnt(folder: Path, rng: np.random.Generator) -> dict[str, Path]:
    """Learning curves, attention, params and times."""
    (folder / "train").mkdir()
    for task in TASKS:
        rows = [
            {"fold": fold, "epoch": e, "split": split, "macro_f1": 0.95 - gap - 0.6 / e + rng.normal(0, 0.01)}
            for fold in range(3) for e in range(1, 15) for split, gap in (("train", 0), ("held_out", 0.08))
        ]  # fmt: skip
        pd.DataFrame(rows).to_csv(folder / f"train/{task.name}-plain.csv", index=False)
    looks = {}
    for task in TASKS:
        shares = {name: dict(zip(REGIONS, rng.dirichlet(np.ones(8)).round(4).tolist(), strict=True))
                  for name in ("all", *task.classes)}  # fmt: skip
        blank = {"whole": 0.9} | {f"without {name}": round(float(rng.uniform(0.3, 0.9)), 4) for name in REGIONS}
        looks[task.name] = {"photos": 60, "attention": shares, "grad_cam": shares, "area": {}, "macro_f1": blank}
    (folder / "attention.json").write_text(json.dumps(looks))
    (folder / "params.yaml").write_text("data:\n  name: <practice> & friends\n")
    (folder / "seconds").mkdir()
    for stage, seconds in {"detect": 12.1, "train@mask-plain": 250.0, "ensemble": 3.4}.items():
        (folder / "seconds" / stage).write_text(f"{seconds}\n")
    names = {"attention": "attention.json", "params": "params.yaml", "seconds": "seconds", "curves": "train"}
    return {word: folder / name for word, name in names.items()}


def pictures(folder: Path, photos: pd.DataFrame, rng: np.random.Generator) -> dict[str, Path]:
    """Crops of plain colours, mattes, and sheets."""
    same = {"width": 12, "height": 16, "by": "detector", **dict.fromkeys(LANDMARKS)}
    rows = [same | {"photo": photo, "image": flat("JPEG", rng, (12, 16))}
            for photo in shard_order(photos["photo"])]  # fmt: skip
    write_shards(folder / "crops", rows, dict.fromkeys(LANDMARKS, float) | {"by": str})
    write_shards(folder / "mattes", rows, {})
    for name in ("sheets", "transplant_sheets"):
        (folder / name).mkdir()
        (folder / name / "mask.png").write_bytes(flat("PNG", rng, (900, 300)))
    names = ("crops", "mattes", "sheets", "transplant_sheets")
    return {name: folder / name for name in names} | {"transplants": folder / "mattes"}


def flat(form: str, rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    data = BytesIO()
    Image.new("RGB", size, tuple(rng.integers(60, 200, 3).tolist())).save(data, form)
    return data.getvalue()


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> dict[str, Path]:
    return drawn_run(tmp_path_factory.mktemp("run"))


class Outline(HTMLParser):
    """Checks that tags nest, and collects links, marks, pictures and addresses."""

    EMPTY = ("meta", "link", "img", "br", "line", "polyline")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.links, self.marks, self.images, self.addresses = [], set(), set(), [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list) -> None:
        named = dict(attrs)
        self.marks |= {named["id"]} if "id" in named else set()
        self.links |= {named["href"][1:]} if named.get("href", "").startswith("#") else set()
        self.addresses += [
            named[name] for name in ("href", "src", "action") if not named.get(name, "#").startswith("#")
        ]
        self.images += [named["alt"]] if tag == "img" else []
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_whole_run_is_on_the_page(paths):
    text = render_page(read_run_results(paths), "tiny", faces=False)
    outline = Outline(text)
    assert outline.links <= outline.marks and {mark for mark, *_ in CHAPTERS} <= outline.marks
    joint = json.loads(paths["scores"].read_text())["joint"]
    assert f"<strong>{joint['macro_f1']:.3f}</strong>" in text and "<svg" in text and "4 min 10 s" in text
    assert "yet" not in re.sub(r"<style>.*?</style>", "", text, flags=re.S)


WORDS = "photos tasks crops answers scores plots curves doubts attention missed key params seconds submission sheets"


@pytest.mark.parametrize("missing", WORDS.split())
def test_a_page_comes_whole_without_any_one_of_its_inputs(paths, missing):
    rest = {word: path for word, path in paths.items() if word != missing}
    assert render_page(read_run_results(rest), "tiny", faces=True) != render_page(
        read_run_results(paths), "tiny", faces=True
    )


def test_a_page_of_nothing_says_what_to_run(tmp_path):
    text = render_page(read_run_results({"photos": tmp_path / "none.csv"}), "tiny", faces=True)
    Outline(text)
    assert text.count('class="absent"') >= 8 and "dvc repro" in text


def test_the_page_needs_no_network_and_no_script(paths):
    told = read_run_results(paths)
    for faces in (True, False):
        text = render_page(told, "tiny", faces=faces)
        assert all(address.startswith("data:") for address in Outline(text).addresses)
        assert "<script" not in text and "@import" not in text and not re.search(r"url\((?!data:)", text)


def test_single_people_are_shown_only_with_leave(paths):
    told = read_run_results(paths)
    told = dataclasses.replace(told, faces=read_faces(paths["crops"], set(worst_mistakes(told)["photo"])))
    people = set(told.photos["photo"])
    assert not people & set(Outline(render_page(told, "tiny", faces=False)).images)
    shown = people & set(Outline(render_page(told, "tiny", faces=True)).images)
    assert shown == set(worst_mistakes(told)["photo"])


def test_what_a_file_says_is_text_and_never_markup(paths, tmp_path):
    doubts = pd.read_csv(paths["doubts"], dtype=str, keep_default_na=False)
    doubts.loc[0, ["person", "note"]] = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>']
    doubts.to_csv(tmp_path / "doubts.csv", index=False)
    text = render_page(read_run_results(paths | {"doubts": tmp_path / "doubts.csv"}), "<b>name</b>", faces=False)
    assert "<script" not in text and "<img src=x" not in text and "<b>name" not in text
    assert "&lt;practice&gt; &amp; friends" in text


def test_the_worst_mistakes_are_wrong_and_the_worst_comes_first(paths):
    found = worst_mistakes(read_run_results(paths))
    assert (found["true"] != found["said"]).all() and set(found["task"]) == {task.name for task in TASKS}
    for _, own in found.groupby("task"):
        assert own["share"].is_monotonic_increasing


def test_a_confusion_counts_rows_as_truth():
    pairs = pd.DataFrame({"actual": ["a", "a", "b"], "predicted": ["a", "b", "b"]})
    cells = re.findall(r"<td[^>]*>(\d+)</td>", confusion(pairs, ["a", "b", "c"], "x"))
    assert cells == ["1", "1", "0", "0", "1", "0", "0", "0", "0"]


def test_a_curve_of_one_epoch_is_drawn():
    rows = pd.DataFrame({"fold": [0], "epoch": [1], "split": ["train"], "macro_f1": [1.0]})
    assert "nan" not in curves(rows, "x") and "inf" not in curves(rows, "x")


def test_the_stage_writes_the_page_from_paths_and_bears_missing_ones(paths, project):
    (project / "params.yaml").write_text("data: {name: tiny}\nreport: {faces: true}\n")
    stage = runpy.run_path(str(PROJECT / "stages/report.py"))
    sources = [paths.get(word, project / "missing") for word in stage["WORDS"]]
    stage["main"](*sources, project / "report.html")
    assert "tiny" in (project / "report.html").read_text()
    stage["main"](*[project / "missing"] * len(sources), project / "empty.html")
    assert (project / "empty.html").read_text().count('class="absent"') >= 8
