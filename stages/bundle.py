"""Put all that answers a photo into one folder: networks as ONNX, checked against PyTorch, and a card."""

from pathlib import Path

from visage.bundling.assembly import BundleParams, Evidence, Settings, make_bundle_or_reason
from visage.ensemble.answers import read_fitted
from visage.ensemble.decision_rule import EnsembleParams
from visage.ensemble.member_predictions import RoundParams
from visage.faces.crop_params import CropParams
from visage.faces.detectors import DetectParams
from visage.faces.mattes import CutOutParams
from visage.inference import PredictParams
from visage.runtime.files import replace_folder
from visage.runtime.params import load
from visage.runtime.stage import run


def main(
    photos: Path, tasks: Path, folds: Path, crops: Path, mattes: Path, models: Path, first: Path, second: Path,
    fitted: Path, scores: Path, key: Path, raw: Path, bundle: Path,
) -> None:  # fmt: skip
    settings = Settings(
        load(BundleParams, "bundle"),
        load(DetectParams, "detect"),
        load(CropParams, "crop"),
        load(CutOutParams, "cut_out"),
        load(PredictParams, "predict"),
        load(RoundParams, "rounds"),
        load(EnsembleParams, "ensemble"),
    )
    evidence = Evidence(photos, tasks, folds, crops, mattes, (first, second), scores, key, raw)
    with replace_folder(bundle) as part:
        print(make_bundle_or_reason(part, models, read_fitted(fitted), settings, evidence))


if __name__ == "__main__":
    run(main)
