"""Detections against ground truth."""

import numpy as np
import pandas as pd
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from visage.faces.matching import (
    average_precision,
    iou_matrix,
    match_faces,
    read_voc,
    recall_at_precision,
    score_detections,
)
from visage.formats.columns import CORNERS

FACE = (
    "<object><name>{}</name>{}<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>{}</object>"
)


def boxes(*rows: tuple, **columns: object) -> pd.DataFrame:
    """Rows of photo, x0, y0, x1, y1."""
    return pd.DataFrame(rows, columns=["photo", *CORNERS]).assign(**columns)


def write_scene(folder, name: str, *faces: str) -> None:
    for part in ("images", "annotations"):
        (folder / part).mkdir(exist_ok=True)
    (folder / "images" / f"{name}.jpg").touch()
    (folder / "annotations" / f"{name}.xml").write_text(f"<annotation>{''.join(faces)}</annotation>")


def test_stray_text_between_the_tags_of_an_annotation_changes_nothing(tmp_path):
    write_scene(tmp_path, "a", FACE.format("with_mask", "", 1, 2, 30, 40, "file:/somewhere/a&b.xml"))
    write_scene(tmp_path, "b", FACE.format("without_mask", "<truncated>0</truncated>", 5, 6, 7, 8, ""))
    assert read_voc(tmp_path).to_numpy().tolist() == [
        ["images/a.jpg", 1, 2, 30, 40, "with_mask"],
        ["images/b.jpg", 5, 6, 7, 8, "without_mask"],
    ]


def test_a_scene_without_faces_is_still_a_photo(tmp_path):
    write_scene(tmp_path, "empty")
    truth = read_voc(tmp_path)
    assert truth["photo"].tolist() == ["images/empty.jpg"]
    assert truth["x0"].isna().all()


def test_an_annotation_without_its_photo_or_with_half_a_box_is_named(tmp_path):
    write_scene(tmp_path, "a")
    (tmp_path / "images/a.jpg").unlink()
    with pytest.raises(ValueError, match=r"no photo for 1 annotations, such as \['a.xml'\]"):
        read_voc(tmp_path)
    write_scene(tmp_path, "a", "<object><name>with_mask</name><bndbox><xmin>3</xmin></bndbox></object>")
    with pytest.raises(ValueError, match=r"images/a.jpg.*ymin"):
        read_voc(tmp_path)


def test_a_folder_that_is_no_voc_folder_gets_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="should be a Pascal VOC set"):
        read_voc(tmp_path)


def test_iou_is_the_intersection_over_the_union():
    ious = iou_matrix(np.array([[0, 0, 10, 10], [20, 20, 30, 30]]), np.array([[0, 0, 10, 10], [5, 0, 15, 10]]))
    assert ious == pytest.approx(np.array([[1, 1 / 3], [0, 0]]))


def test_a_face_is_matched_once_and_by_the_best_score():
    truth = boxes(("a", 0, 0, 40, 40))
    detections = boxes(("a", 0, 0, 40, 40), ("a", 1, 0, 40, 40), score=[0.8, 0.9])
    truth, detections = match_faces(truth, detections, iou=0.5)
    assert detections["match"].tolist() == [0, -1]
    assert truth["score"].tolist() == [0.9]


def test_a_detection_in_another_photo_matches_nothing():
    scores = score_detections(boxes(("a", 0, 0, 40, 40)), boxes(("b", 0, 0, 40, 40), score=0.9), iou=0.5)["all"]
    assert (scores["true"], scores["false"], scores["missed"]) == (0, 1, 1)


def test_a_matched_small_face_counts_neither_way_among_the_large():
    truth = boxes(("a", 0, 0, 40, 40), ("a", 100, 100, 110, 110))
    detections = boxes(
        ("a", 0, 0, 40, 40), ("a", 100, 100, 110, 110), ("a", 200, 0, 210, 10), ("a", 200, 100, 250, 150)
    )
    table = score_detections(truth, detections.assign(score=[0.9, 0.8, 0.7, 0.6]), iou=0.5)
    assert [table[size]["true"] for size in ("<16", "16-32", ">=32", "all")] == [1, 0, 1, 2]
    assert [table[size]["false"] for size in ("<16", "16-32", ">=32", "all")] == [1, 0, 1, 2]


def test_a_match_has_the_size_of_its_face_not_its_own():
    truth, detections = boxes(("a", 0, 0, 15, 15)), boxes(("a", 0, 0, 17, 17), score=[0.9])
    table = score_detections(truth, detections, iou=0.5)
    assert [table[size]["true"] for size in ("<16", "16-32")] == [1, 0]
    assert [table[size]["false"] for size in ("<16", "16-32")] == [0, 0]


def test_the_threshold_rules_the_counts_but_not_the_average_precision():
    truth = boxes(("a", 0, 0, 40, 40), ("a", 100, 100, 140, 140))
    detections = boxes(("a", 0, 0, 40, 40), ("a", 100, 100, 140, 140), score=[0.9, 0.3])
    scores = score_detections(truth, detections, iou=0.5, threshold=0.5)["all"]
    assert (scores["recall"], scores["precision"], scores["ap"]) == (0.5, 1.0, 1.0)


def test_every_kind_of_face_has_its_recall():
    truth = boxes(("a", 0, 0, 40, 40), ("a", 100, 100, 140, 140), kind=["with_mask", "without_mask"])
    table = score_detections(truth, boxes(("a", 0, 0, 40, 40), score=[0.9]), iou=0.5)
    assert (table["with_mask"]["recall"], table["without_mask"]["recall"]) == (1, 0)


def test_a_photo_without_faces_still_yields_false_positives():
    truth = boxes(("a", np.nan, np.nan, np.nan, np.nan))
    assert score_detections(truth, boxes(("a", 0, 0, 40, 40), score=[0.9]), iou=0.5)["all"]["false"] == 1


def test_no_detections_are_scores_of_zero_and_no_error():
    table = score_detections(boxes(("a", 0, 0, 40, 40)), boxes(score=np.empty(0)), iou=0.5)
    assert (table["all"]["recall"], table["all"]["ap"], table["all"]["missed"]) == (0, 0, 1)


def test_average_precision_of_a_known_order():
    assert average_precision(np.array([True, False, True]), 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([True, True]), 4) == 0.5


def test_recall_at_a_precision_takes_the_lowest_threshold_that_is_precise_enough():
    is_match = np.array([True, False, True, True, True, False, False])
    assert recall_at_precision(is_match, 5, precision=0.8) == 0.8
    assert recall_at_precision(is_match, 5, precision=1.0) == 0.2


def random_scenes(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """60 faces and 120 detections in six photos: most faces nearly hit, some twice, the other detections anywhere."""
    corners, sides = rng.uniform(0, 300, (60, 2)), rng.uniform(8, 80, (60, 2))
    faces, photos = np.hstack([corners, corners + sides]), rng.choice(list("abcdef"), 60)
    hit = rng.integers(0, 60, 80)
    near = faces[hit] + rng.normal(0, 0.2, (80, 4)) * np.tile(sides[hit], 2)
    corners = rng.uniform(0, 300, (40, 2))
    far = np.hstack([corners, corners + rng.uniform(8, 80, (40, 2))])
    return (
        pd.DataFrame(faces, columns=CORNERS).assign(photo=photos),
        pd.DataFrame(np.vstack([near, far]), columns=CORNERS).assign(
            photo=[*photos[hit], *rng.choice(list("abcdef"), 40)], score=rng.random(120)
        ),
    )


def coco_evaluation(truth: pd.DataFrame, detections: pd.DataFrame, recalls: np.ndarray) -> COCOeval:
    """Evaluated at IoU 0.5, one class, all sizes; precision is read off at these recalls."""
    annotations = [
        {"image_id": ord(row.photo), "category_id": 1, "bbox": [row.x0, row.y0, row.x1 - row.x0, row.y1 - row.y0]}
        | {"area": (row.x1 - row.x0) * (row.y1 - row.y0), "iscrowd": 0, "id": number}
        for number, row in enumerate(truth.itertuples(), 1)  # COCO takes the number 0 for "no match"
    ]
    coco = COCO()
    coco.dataset = {"annotations": annotations, "categories": [{"id": 1}]}
    coco.dataset["images"] = [{"id": ord(photo)} for photo in "abcdef"]
    coco.createIndex()
    sides = detections[["x1", "y1"]].to_numpy() - detections[["x0", "y0"]].to_numpy()
    photos = detections["photo"].map(ord)
    rows = np.column_stack([photos, detections[["x0", "y0"]], sides, detections["score"], np.ones(len(detections))])
    evaluation = COCOeval(coco, coco.loadRes(rows), "bbox")
    evaluation.params.iouThrs, evaluation.params.recThrs = np.array([0.5]), recalls
    evaluation.params.maxDets, evaluation.params.areaRng = [len(detections)], [[0, 1e10]]
    evaluation.params.areaRngLbl = ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


@pytest.mark.parametrize("seed", range(3))
def test_recall_and_average_precision_are_those_of_coco(seed):
    """COCO averages precision over fixed recalls, by default 101; our average precision is the whole area.

    Read off at every recall that can occur, 1/n ... n/n of n faces, COCO's mean is that area too, and so comparable.
    """
    truth, detections = random_scenes(np.random.default_rng(seed))
    coco = coco_evaluation(truth, detections, np.arange(1, len(truth) + 1) / len(truth))
    scores = score_detections(truth, detections, iou=0.5)["all"]
    assert 20 < scores["true"] < len(truth)
    assert scores["recall"] == pytest.approx(coco.eval["recall"].item(), abs=1e-12)
    assert scores["ap"] == pytest.approx(coco.eval["precision"].mean(), abs=1e-12)
