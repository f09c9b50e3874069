"""Hold any detectors against true boxes. Its own call, no part of the road: it needs true boxes, which you bring.

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


def main(true: Path, scores: Path, chart: Path, *asked: Path) -> None:
    faces, root = read_true_boxes(true)
    table = compare_detectors(
        faces, root, [str(one) for one in asked], load(CompareDetectorsParams, "compare_detectors")
    )
    scores.write_text(json.dumps(table, indent=2) + "\n")
    save_chart(draw_detector_chart(table), chart)


if __name__ == "__main__":
    run(main)
