"""Compare detectors on photos whose true boxes are known. Not part of the pipeline: you bring the true boxes.

python stages/compare_detectors.py TRUE SCORES CHART bundled centre mtcnn retinaface yunet=WEIGHTS ...
TRUE is a Pascal VOC folder (annotations/ and images/) or a table photo,x0,y0,x1,y1[,kind] beside its photos.
"""

import json
from pathlib import Path

from visage.charts import save_chart
from visage.faces.comparison import CompareDetectorsParams, compare_detectors, read_true_boxes
from visage.faces.detector_charts import draw_detector_chart
from visage.runtime.params import load
from visage.runtime.stage import run


def main(true: Path, scores: Path, chart: Path, *detectors: Path) -> None:
    params = load(CompareDetectorsParams, "compare_detectors")
    truth, root = read_true_boxes(true)
    table = compare_detectors(truth, root, [str(detector) for detector in detectors], params)
    scores.write_text(json.dumps(table, indent=2) + "\n")
    save_chart(draw_detector_chart(table), chart)


if __name__ == "__main__":
    run(main)
