"""What helps the learners? Out-of-fold scores of recipes, each a change or two away from a common one.

    python -m tests.bench.learner_ablation data tests/bench/faces300.yaml --out rows.jsonl --weights features.pth

`data` is what the pipeline leaves after `cut_out` (photos.csv, tasks.json, folds.csv, crops, mattes); the YAML file
names recipes: `base` is a member of params.yaml, and every other entry changes it or names another member; a list of
such is blended. Finished rows stay in the file and are not computed again, and with `--predictions` neither is a
member that is part of several blends. The key of the photos to answer is read only with `--key`: once, when all is
decided.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from visage.ensemble.decision_rule import EnsembleParams
from visage.ensemble.fitting import EnsembleResult, fit_ensemble
from visage.ensemble.member_predictions import Examples, MemberPredictions, align_predictions, build_examples
from visage.ensemble.pseudo_labels import PseudoParams, choose_pseudo_labels
from visage.formats.tables import read_folds, read_photos
from visage.formats.tasks import Task, joint_codes, read_tasks, split_joint_codes
from visage.inference import predict
from visage.learning.cross_validation import train_fold
from visage.learning.dataset import build_dataset
from visage.networks.images import ImageArray, Preprocessing, read_images, read_transplant_images
from visage.networks.recipe import TrainParams, member_sections, merge_sections
from visage.runtime.memo import Memo, digest
from visage.runtime.parallel import select_device
from visage.runtime.params import load, read_params, validate
from visage.scores import macro_f1, percentile_interval, resampled_f1

PROJECT = Path(__file__).parents[2]
OF_BENCH = ("crops", "pseudo")  # keys of a recipe here that are no keys of a member
TaskPredictions = dict[str, tuple[np.ndarray, np.ndarray]]  # by task: held-out and test probabilities


class Learners:
    """The photos, and everything that is the same for all recipes."""

    def __init__(self, data: Path, tta: str) -> None:
        self.data, self.tta = data, tta
        self.tasks = read_tasks(data / "tasks.json")
        self.photos, self.folds = read_photos(data / "photos.csv"), read_folds(data / "folds.csv")
        self.examples = build_examples(self.photos, self.folds, self.tasks)
        self.images: dict[tuple[Path, Preprocessing], ImageArray] = {}

    def read_images(self, crops: Path, preprocessing: Preprocessing) -> ImageArray:
        key = crops, preprocessing
        if key not in self.images:
            self.images[key] = read_images(crops, self.data / "mattes", preprocessing)
        return self.images[key]

    def predict_member(self, member: dict[str, Any], seed: int, pseudo: pd.DataFrame | None) -> TaskPredictions:
        """One member's predictions of every task, as the pipeline's `train` and `predict` would make them."""
        crops = self.data / member.get("crops", "crops")
        recipe = to_recipe(member).replace(seed=seed)
        images = self.read_images(crops, recipe.preprocessing)
        tables: dict[str, list[pd.DataFrame]] = {task.name: [] for task in self.tasks}
        for tasks in [self.tasks] if recipe.joint else [[task] for task in self.tasks]:
            for task, rows in self.cross_predict(tasks, recipe, images, pseudo):
                tables[task.name].append(rows)
        return {
            task.name: align_predictions(pd.concat(tables[task.name]), self.examples, task, task.name)
            for task in self.tasks
        }

    def cross_predict(
        self, tasks: Sequence[Task], recipe: TrainParams, images: ImageArray, pseudo: pd.DataFrame | None
    ) -> Iterator[tuple[Task, pd.DataFrame]]:
        """A network per fold for these tasks, and a table of predictions per fold and task."""
        transplants = self.data / "transplants"
        grafts = read_transplant_images(transplants, recipe.preprocessing, tasks) if recipe.transplants else None
        dataset, device = build_dataset(self.photos, self.folds, tasks, images, grafts, pseudo), select_device()
        for fold in dataset.folds:
            result = train_fold(dataset, fold, recipe, device=device, on_epoch=lambda row: None)
            with tempfile.TemporaryDirectory() as folder, Memo("predict", folder=Path(folder)) as memo:
                file = Path(folder) / "fold.safetensors"
                file.write_bytes(result["checkpoint"])
                for task in tasks:
                    tables = predict(
                        [file], task.name, images, self.photos, self.folds, memo, tta=self.tta, device=device
                    )
                    yield from ((task, rows) for rows in tables)


def to_recipe(member: dict[str, Any]) -> TrainParams:
    return validate(TrainParams, {key: member[key] for key in member if key not in OF_BENCH}, "the recipe")


def recall_member(learners: Learners, member: dict[str, Any], seed: int, folder: Path) -> tuple[TaskPredictions, float]:
    """A member's predictions of every task and the CPU seconds they took; from the folder, if they lie there.

    With `pseudo: 0.95` the member learns a second time, from what its first round is that sure of too.
    """
    file, pseudo = folder / f"{digest(member, seed)[:16]}.npz", None
    if not file.exists():
        if "pseudo" in member:
            first = recall_member(learners, {key: member[key] for key in member if key != "pseudo"}, seed, folder)[0]
            predictions = stack_members(learners.examples, [first])
            sure = PseudoParams(min_probability=member["pseudo"])
            params = load(EnsembleParams, "ensemble", path=PROJECT / "params.yaml")
            pseudo = choose_pseudo_labels(predictions, learners.examples, sure, params)
        start = time.process_time()
        predictions = learners.predict_member(member, seed, pseudo)
        arrays = {
            f"{task} {kind}": values
            for task, pair in predictions.items()
            for kind, values in zip(("held_out", "test"), pair, strict=True)
        }
        np.savez(file, **arrays, seconds=time.process_time() - start)
    stored = np.load(file)
    tasks = [task.name for task in learners.tasks]
    return {task: (stored[f"{task} held_out"], stored[f"{task} test"]) for task in tasks}, float(stored["seconds"])


def stack_members(examples: Examples, members: Sequence[TaskPredictions]) -> list[MemberPredictions]:
    """Per task the predictions of all members."""
    names = tuple(str(index) for index in range(len(members)))
    predictions = []
    for task in examples.tasks:
        held_out, test = (np.stack([member[task.name][part] for member in members]) for part in (0, 1))
        predictions.append(MemberPredictions(task, names, held_out, test))
    return predictions


def score_members(examples: Examples, result: EnsembleResult, key: Path | None) -> dict[str, float]:
    """Macro F1 of each task and jointly: of the likeliest class, and of the rule; on the key, where one is given."""
    truth = joint_codes(examples.truth, examples.tasks)
    scores = {
        task.name: macro_f1(codes, answers)
        for task, codes, answers in zip(examples.tasks, examples.truth, result.argmax_answers, strict=True)
    }
    scores["joint"] = macro_f1(truth, joint_codes(result.argmax_answers, examples.tasks))
    scores["joint, rule"] = macro_f1(truth, joint_codes(result.answers, examples.tasks))
    if key:
        on_key = score_on_key(examples, result.test_answers, key)
        scores |= {f"key {name}": score for name, score in on_key.items()}
    return {name: round(float(score), 4) for name, score in scores.items()}


def compare_members(
    examples: Examples, before: Sequence[EnsembleResult], after: Sequence[EnsembleResult], params: EnsembleParams
) -> dict[str, list[float]]:
    """Mean gain in macro F1 over seeds (one result each), and the ends of its 95% interval over people, paired.

    Both are scored on the same drawn populations; an interval holds the people's chance, hardly the seeds'.
    """
    truths = dict(zip((task.name for task in examples.tasks), examples.truth, strict=True))
    truths["joint"], gains = joint_codes(examples.truth, examples.tasks), {}

    def mean_f1(name: str, results: Sequence[EnsembleResult]) -> np.ndarray:
        """The score on the photos as they are, then on every drawn population."""
        scores = []
        for result in results:
            by_task = [*result.argmax_answers, joint_codes(result.argmax_answers, examples.tasks)]
            answers = dict(zip(truths, by_task, strict=True))[name]
            draws = resampled_f1(truths[name], answers, examples.people, resamples=params.resamples, seed=params.seed)
            scores.append([macro_f1(truths[name], answers), *draws])
        return np.mean(scores, axis=0)

    for name in truths:
        gain, *draws = mean_f1(name, after) - mean_f1(name, before)
        gains[name] = [round(float(value), 4) for value in (gain, *percentile_interval(np.array(draws)))]
    return gains


def score_on_key(examples: Examples, answers: Sequence[np.ndarray], key: Path) -> dict[str, float]:
    table = pd.read_csv(key).set_index("ImageID")["ans"]
    truth = table.loc[[Path(photo).name for photo in examples.test_photos]].to_numpy()
    scores = {"joint": macro_f1(truth, joint_codes(answers, examples.tasks))}
    for task, codes, answer in zip(examples.tasks, split_joint_codes(truth, examples.tasks), answers, strict=True):
        scores[task.name] = macro_f1(codes, answer)
    return scores


def read_members(recipes: Path, weights: str | None) -> dict[str, list[dict[str, Any]]]:
    """Per entry of the YAML file the members that are blended, each as a whole recipe."""
    entries, file = yaml.safe_load(recipes.read_text()), PROJECT / "params.yaml"
    params, base = read_params(file), entries.pop("base")

    def complete(entry: str | dict) -> dict[str, Any]:
        name, changes = (entry, {}) if isinstance(entry, str) else (base, entry)
        recipe, _ = merge_sections(params, ["train", *member_sections(params, name, file)], file)
        return recipe.model_dump() | changes | ({"weights": weights} if weights else {})

    return {
        name: [complete(member) for member in (entry if isinstance(entry, list) else [entry])]
        for name, entry in entries.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("recipes", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", help="these recipes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--tta", default="flip")
    parser.add_argument("--predictions", type=Path, help="a folder that keeps them")
    parser.add_argument("--weights", help="in place of the base recipe's")
    parser.add_argument("--compare", nargs=2, metavar=("BEFORE", "AFTER"), help="of the recipes, over all the seeds")
    parser.add_argument("--key", type=Path, help="answers.csv; read it once, when all is decided")
    args = parser.parse_args()
    recipes, learners = read_members(args.recipes, args.weights), Learners(args.data, args.tta)
    params = load(EnsembleParams, "ensemble", path=PROJECT / "params.yaml")
    rows = [json.loads(line) for line in args.out.read_text().splitlines()] if args.out.exists() else []
    finished = {(row["recipe"], row["seed"]) for row in rows if "key joint" in row or not args.key}
    folder = args.predictions or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)

    def fit_recipe(name: str, seed: int) -> tuple[EnsembleResult, float]:
        recalled = [recall_member(learners, member, seed, folder) for member in recipes[name]]
        members, seconds = zip(*recalled, strict=True)
        predictions = stack_members(learners.examples, members)
        return fit_ensemble(predictions, learners.examples, params), sum(seconds)

    for seed, name in [(seed, name) for seed in args.seeds for name in args.only or recipes]:
        if (name, seed) in finished:
            continue
        result, seconds = fit_recipe(name, seed)
        row = {"recipe": name, "seed": seed} | score_members(learners.examples, result, args.key)
        row["CPU s"] = round(seconds)
        print(json.dumps(row), flush=True)
        with args.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
    if args.compare:
        before, after = ([fit_recipe(name, seed)[0] for seed in args.seeds] for name in args.compare)
        print(json.dumps(compare_members(learners.examples, before, after, params)))


if __name__ == "__main__":
    main()
