"""Hold any detectors against true boxes. Its own call, no part of the road: it needs true boxes, which you bring.

python stages/compare_detectors.py TRUE SCORES CHART bundled centre mtcnn retinaface yunet=WEIGHTS ...
TRUE is a Pascal VOC folder (annotations/ and images/) or a table photo,x0,y0,x1,y1[,kind] beside its photos.
"""

import json
from pathlib import Path

from visage.charts import save
from visage.comparison import CompareDetectorsParams, compared, read_true
from visage.detector_charts import detector_chart
from visage.params import load
from visage.stage import run


def main(true: Path, scores: Path, chart: Path, *asked: Path) -> None:
    faces, root = read_true(true)
    table = compared(faces, root, [str(one) for one in asked], load(CompareDetectorsParams, "compare_detectors"))
    scores.write_text(json.dumps(table, indent=2) + "\n")
    save(detector_chart(table), chart)


if __name__ == "__main__":
    run(main)
