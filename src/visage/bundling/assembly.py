"""The stage `bundle`: from the pipeline's files to a folder that needs none of them."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from visage.bundling.build import (
    BundleParams,
    Source,
    card_of_crop,
    card_of_tasks,
    export_sources,
    list_sources,
    used_exponents,
    write_detector,
    write_matting,
    write_networks,
)
from visage.bundling.cost import one_fold_cost, precision_cost
from visage.bundling.export import CannotBundle
from visage.bundling.provenance import describe_training, licence_notes, read_versions
from visage.ensemble.decision_rule import EnsembleParams
from visage.ensemble.member_predictions import Examples, RoundParams, build_examples, read_member_predictions
from visage.ensemble.submission import KEY_FILE, read_form, read_key
from visage.faces.crop_params import CropParams
from visage.faces.detectors import DetectParams
from visage.faces.mattes import CutOutParams
from visage.formats.shards import read_rows
from visage.formats.tables import read_folds, read_photos
from visage.formats.tasks import Task, read_tasks
from visage.inference import PredictParams
from visage.networks.images import ImageArray, Preprocessing, read_images
from visage.serving.card import FORMAT, write_card
from visage.serving.networks import Ensemble

CHECKED_PHOTOS = 100  # on which the exported networks are compared with PyTorch, and int8 is calibrated


@dataclass(frozen=True)
class Settings:
    """The sections of params.yaml that a bundle depends on."""

    bundle: BundleParams
    detect: DetectParams
    crop: CropParams
    cut_out: CutOutParams
    predict: PredictParams
    rounds: RoundParams
    ensemble: EnsembleParams


@dataclass(frozen=True)
class Evidence:
    """The pipeline's files that the networks were learnt from and scored by."""

    photos: Path
    tasks: Path
    folds: Path
    crops: Path
    mattes: Path
    predictions: tuple[Path, ...]
    scores: Path
    key: Path
    raw: Path

    def read_images(self, source: Source, photos: Mapping[str, Any] | list[str]) -> ImageArray:
        return read_images(self.crops, self.mattes, source.card.recipe.preprocessing, photos=photos)


def make_bundle_or_reason(
    folder: Path, models: Path, fitted: Mapping[str, Any], settings: Settings, evidence: Evidence
) -> str:
    """As `make_bundle`; where a part of the run cannot be bundled, the folder holds a card that says why and no more.

    The run's answers are whole without a bundle, so this is no error.
    """
    try:
        return make_bundle(folder, models, fitted, settings, evidence)
    except CannotBundle as error:
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        write_card(folder, {"format": FORMAT, "absent": str(error)})
        return f"There is no bundle: {error}"


def make_bundle(folder: Path, models: Path, fitted: Mapping[str, Any], settings: Settings, evidence: Evidence) -> str:
    """Fill an empty folder; returns what was written, in a line or two."""
    params, tasks = settings.bundle, read_tasks(evidence.tasks)
    table, people = read_photos(evidence.photos), read_folds(evidence.folds)
    examples = build_examples(table, people, tasks)
    sources = list_sources(models, fitted, params.networks)
    checked = spread(table["photo"].tolist(), CHECKED_PHOTOS)
    pictures = {source.card.recipe.preprocessing: source for source in sources}
    pixels = {way: evidence.read_images(source, checked).pixels for way, source in pictures.items()}
    rows, error = write_networks(folder, export_sources(sources, pixels, settings.predict.tta, params.precision))
    matting = write_matting(folder, settings.cut_out, sources)
    card = {
        "format": FORMAT,
        "tasks": card_of_tasks(tasks, table),
        "detect": write_detector(folder, settings.detect),
        "crop": card_of_crop(settings.crop, (row["margin"] for row in read_rows(evidence.crops, ["margin"]))),
        "matting": matting,
        "views": settings.predict.tta,
        "networks": rows,
        "precision": params.precision,
        "folds": params.networks,
        "blend": used_exponents(fitted),
        "rule": {task: {name: numbers[name] for name in ("offsets", "order")} for task, numbers in fitted.items()},
        "check": {"photos": min(CHECKED_PHOTOS, len(table)), "largest_difference": error},
        "scores": collect_scores(evidence),
    }
    card["cost"] = measure_cost(folder, card, pictures, examples, fitted, settings, evidence)
    card |= {
        "trained_on": describe_training(
            [evidence.photos, evidence.folds], sources, len(np.unique(examples.people)), len(examples.train_photos)
        ),
        "versions": read_versions(),
        "licences": licence_notes(settings.detect, settings.cut_out if matting else None, sources),
    }
    write_card(folder, card)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    return f"{len(rows)} networks, {size:.1f} MB; probabilities as PyTorch's to {error:.1g} on {len(checked)} photos."


def spread(items: list[str], most: int) -> list[str]:
    """At most so many of the items, evenly from first to last."""
    return [items[i] for i in np.linspace(0, len(items) - 1, min(most, len(items))).astype(int)]


def collect_scores(evidence: Evidence) -> dict[str, Any]:
    """Macro F1 on people that no network had seen, with 95% intervals, and on the answer key if there is one."""
    held_out, key = (json.loads(path.read_text(encoding="utf-8")) for path in (evidence.scores, evidence.key))
    names = ("macro_f1", "low", "high", "accuracy", "log_loss", "ece")
    cards = {"joint": held_out["joint"], **held_out["tasks"]}
    scores = {"held_out": {name: {n: card[n] for n in names if n in card} for name, card in cards.items()}}
    if "joint" in key:
        cards = {"joint": key["joint"], **key["tasks"]}
        scores["key"] = {name: {n: card[n] for n in names if n in card} for name, card in cards.items()}
    return scores


def measure_cost(
    folder: Path,
    card: Mapping[str, Any],
    pictures: Mapping[Preprocessing, Source],
    examples: Examples,
    fitted: Mapping[str, Any],
    settings: Settings,
    evidence: Evidence,
) -> dict[str, Any]:
    """By option what it costs in macro F1; nothing for all networks in full precision, which is what is compared to."""
    params, cost = settings.bundle, {}
    if (params.precision, params.networks) == ("float32", "all"):
        return cost
    members = [*settings.rounds.first, *settings.rounds.second]
    predictions = read_member_predictions(list(evidence.predictions), examples, members)
    bootstrap = {"resamples": settings.ensemble.resamples, "seed": settings.ensemble.seed}
    if params.precision != "float32":
        images = {way: evidence.read_images(source, list(examples.train_photos)) for way, source in pictures.items()}
        classifiers = Ensemble(folder, card, list(fitted)).classifiers
        cost["precision"] = precision_cost(classifiers, images, predictions, examples, fitted, **bootstrap)
    if params.networks == "one_fold":
        key = read_answer_key(evidence.raw, evidence.photos, list(examples.tasks))
        cost["networks"] = one_fold_cost(predictions, examples, fitted, key, **bootstrap)
    return cost


def read_answer_key(raw: Path, photos: Path, tasks: list[Task]) -> pd.Series | None:
    """The joint codes of the photos to answer, by photo key; None where only the judges know them."""
    if not (raw / KEY_FILE).is_file():
        return None
    form, _ = read_form(raw, read_photos(photos))
    column = form["ImageID"] if "ImageID" in form else form["photo"]
    return pd.Series(read_key(raw / KEY_FILE, column, tasks), index=form["photo"])
