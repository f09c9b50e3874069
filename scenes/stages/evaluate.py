"""What the exported networks reach: the detector on held-out scenes and new drawn people, the mattes on the latter."""

import json
from pathlib import Path

from common.drawing import draw_test_portraits
from common.evaluation import EvaluateParams, round_scores
from common.street_scenes import ScenesParams, read_held_out_faces
from detector.evaluation import score_portraits, score_scenes
from matting.evaluation import score_mattes
from visage.runtime.files import replace_file
from visage.runtime.memo import file_digest
from visage.runtime.params import load
from visage.runtime.stage import run

SIDES = (192, 256, 320, 512)  # px of the longer side at which the detector looks at portraits


def main(scenes: Path, detector: Path, matting: Path, scores: Path) -> None:
    params = load(EvaluateParams, "evaluate")
    faces = read_held_out_faces(scenes, load(ScenesParams, "scenes").held_out)
    portraits = draw_test_portraits(params.seed, params.people)
    by_side = {
        f"side {side}": score_portraits(portraits, detector, side=side, threshold=params.threshold) for side in SIDES
    }
    table = {
        "sha256": {path.name: file_digest(path) for path in (detector, matting)},
        "scenes": round_scores(score_scenes(faces, scenes, detector, params.threshold)),
        "portraits": round_scores(by_side),
        "mattes": round_scores(score_mattes(portraits, matting)),
    }
    with replace_file(scores) as part:
        part.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
