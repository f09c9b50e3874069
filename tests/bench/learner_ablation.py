"""What helps the learners? Out-of-fold scores of recipes, each a change or two away from a common one.

    python -m tests.bench.learner_ablation data tests/bench/faces300.yaml --out rows.jsonl --weights features.pth

`data` is what the pipeline leaves after `cut_out` (photos.csv, tasks.json, folds.csv, crops, mattes); the YAML file
names recipes: `base` is a member of params.yaml, and every other entry changes it or names another member; a list of
such is blended. Finished rows stay in the file and are not learnt again. The key of the photos to answer is not looked
at but with `--key`: once, when all is decided.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from visage.ensemble.decision_rule import EnsembleParams
from visage.ensemble.fitting import fit_ensemble
from visage.ensemble.member_predictions import Examples, MemberPredictions, align_predictions, build_examples
from visage.formats.tasks import Task, joint_codes, read_tasks, split_joint_codes
from visage.inference import predict
from visage.learning.cross_validation import train_fold
from visage.learning.dataset import build_dataset
from visage.networks.images import ImageArray, Preprocessing, preprocessing_of, read_images
from visage.networks.recipe import TrainParams
from visage.runtime.parallel import select_device
from visage.runtime.params import load, parse, read_params
from visage.scores import macro_f1

PROJECT = Path(__file__).parents[2]


class School:
    """The photos, and everything that is the same for all recipes."""

    def __init__(self, data: Path, tta: str) -> None:
        self.data, self.tta = data, tta
        self.tasks = read_tasks(data / "tasks.json")
        self.photos, self.folds = (
            pd.read_csv(data / name, dtype={"person": str}, keep_default_na=False)
            for name in ("photos.csv", "folds.csv")
        )
        self.cases = build_examples(self.photos, self.folds, self.tasks)
        self.albums: dict[tuple[Path, Preprocessing], ImageArray] = {}

    def album(self, recipe: TrainParams, crops: Path) -> ImageArray:
        look = preprocessing_of(recipe)
        if (crops, look) not in self.albums:
            self.albums[crops, look] = read_images(crops, self.data / "mattes", look)
        return self.albums[crops, look]

    def ballots(self, member: Mapping[str, Any], seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """What one member says about every task, as the road's `train` and `predict` would have it."""
        member = dict(member)
        crops = self.data / member.pop("crops", "crops")
        said: dict[str, list[pd.DataFrame]] = {task.name: [] for task in self.tasks}
        for tasks in [self.tasks] if member.get("joint") else [[task] for task in self.tasks]:
            recipe = parse(TrainParams, member | {"seed": seed}, "the recipe")
            for task, rows in self.answers(tasks, recipe, self.album(recipe, crops)):
                said[task.name].append(rows)
        return {t.name: align_predictions(pd.concat(said[t.name]), self.cases, t, t.name) for t in self.tasks}

    def answers(
        self, tasks: Sequence[Task], recipe: TrainParams, album: ImageArray
    ) -> Iterator[tuple[Task, pd.DataFrame]]:
        lessons = build_dataset(self.photos, self.folds, tasks, album)
        for fold in lessons.folds:
            made = train_fold(lessons, fold, recipe, device=select_device(), told=lambda row: None)
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "fold.safetensors"
                file.write_bytes(made["checkpoint"])
                for task in tasks:
                    said = predict(
                        [file], task.name, album, self.photos, self.folds, tta=self.tta, device=select_device()
                    )
                    yield from ((task, rows) for rows in said)


def scores(cases: Examples, members: Sequence[dict], params: EnsembleParams, key: Path | None) -> dict[str, float]:
    """Macro F1 of each task and jointly: of the likeliest class, and of the rule; on the key, where one is given."""
    said = []
    for task in cases.tasks:
        held, evals = (np.stack([member[task.name][part] for member in members]) for part in (0, 1))
        said.append(MemberPredictions(task, tuple(str(place) for place in range(len(members))), held, evals))
    verdict = fit_ensemble(said, cases, params)
    told = {
        t.name: macro_f1(truth, a) for t, truth, a in zip(cases.tasks, cases.truth, verdict.argmax_answers, strict=True)
    }
    true = joint_codes(cases.truth, cases.tasks)
    told["joint"] = macro_f1(true, joint_codes(verdict.argmax_answers, cases.tasks))
    told["joint, rule"] = macro_f1(true, joint_codes(verdict.answers, cases.tasks))
    if key:
        told |= {f"key {name}": score for name, score in on_key(cases, verdict.test_answers, key).items()}
    return {name: round(float(score), 4) for name, score in told.items()}


def on_key(cases: Examples, answers: Sequence[np.ndarray], key: Path) -> dict[str, float]:
    known = pd.read_csv(key).set_index("ImageID")["ans"]
    true = known.loc[[Path(photo).name for photo in cases.test_photos]].to_numpy()
    found = {"joint": macro_f1(true, joint_codes(answers, cases.tasks))}
    for task, answer, truth in zip(cases.tasks, answers, split_joint_codes(true, cases.tasks), strict=True):
        found[task.name] = macro_f1(truth, answer)
    return found


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("data", type=Path)
    words.add_argument("recipes", type=Path)
    words.add_argument("--out", type=Path, required=True)
    words.add_argument("--only", nargs="+", help="these recipes")
    words.add_argument("--seeds", type=int, nargs="+", default=[1])
    words.add_argument("--tta", default="flip")
    words.add_argument("--weights", help="in place of the base recipe's")
    words.add_argument("--key", type=Path, help="answers.csv; read it once, when all is decided")
    asked = words.parse_args()
    book, known = yaml.safe_load(asked.recipes.read_text()), read_params(PROJECT / "params.yaml")
    base = book.pop("base")

    def recipe(entry: str | dict) -> dict[str, Any]:
        named = known["train"] | known["members"][entry if isinstance(entry, str) else base]
        return named | ({} if isinstance(entry, str) else entry) | ({"weights": asked.weights} if asked.weights else {})

    params, school = load(EnsembleParams, "ensemble", path=PROJECT / "params.yaml"), School(asked.data, asked.tta)
    rows = [json.loads(line) for line in asked.out.read_text().splitlines()] if asked.out.exists() else []
    done = {(row["recipe"], row["seed"]) for row in rows if "key joint" in row or not asked.key}
    learnt: dict[str, tuple[dict, float]] = {}  # what members say, and the processor seconds it took
    for seed in asked.seeds:
        for name in asked.only or list(book):
            if (name, seed) in done:
                continue
            members = [recipe(entry) for entry in (book[name] if isinstance(book[name], list) else [book[name]])]
            keys = [json.dumps([member, seed]) for member in members]
            for key, member in zip(keys, members, strict=True):
                if key not in learnt:
                    began = time.process_time()
                    learnt[key] = school.ballots(member, seed), time.process_time() - began
            chosen = [learnt[key] for key in keys]
            found = scores(school.cases, [said for said, _ in chosen], params, asked.key)
            row = {"recipe": name, "seed": seed} | found | {"CPU s": round(sum(spent for _, spent in chosen))}
            print(json.dumps(row), flush=True)
            with asked.out.open("a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
