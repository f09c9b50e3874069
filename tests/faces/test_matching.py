"""True boxes against found ones."""

import numpy as np
import pandas as pd
import pytest

from visage.faces.matching import (
    average_precision,
    iou_matrix,
    match_faces,
    read_voc,
    recall_at_precision,
    score_detections,
)

FACE = (
    "<object><name>{}</name>{}<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>{}</object>"
)


def boxes(*rows: tuple, **columns: object) -> pd.DataFrame:
    """Rows of photo, x0, y0, x1, y1."""
    return pd.DataFrame(rows, columns=["photo", "x0", "y0", "x1", "y1"]).assign(**columns)


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
    true = read_voc(tmp_path)
    assert true["photo"].tolist() == ["images/empty.jpg"]
    assert true["x0"].isna().all()


def test_an_annotation_without_its_photo_or_with_half_a_box_is_named(tmp_path):
    write_scene(tmp_path, "a")
    (tmp_path / "images/a.jpg").unlink()
    with pytest.raises(ValueError, match=r"no photo for 1 annotations, such as \['a.xml'\]"):
        read_voc(tmp_path)
    write_scene(tmp_path, "a", "<object><name>with_mask</name><bndbox><xmin>3</xmin></bndbox></object>")
    with pytest.raises(ValueError, match=r"images/a.jpg.*ymin"):
        read_voc(tmp_path)


def test_a_folder_that_is_no_voc_folder_gets_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="wanted a Pascal VOC folder"):
        read_voc(tmp_path)


def test_overlap_is_the_shared_part_of_the_joint_area():
    found = iou_matrix(np.array([[0, 0, 10, 10], [20, 20, 30, 30]]), np.array([[0, 0, 10, 10], [5, 0, 15, 10]]))
    assert found == pytest.approx(np.array([[1, 1 / 3], [0, 0]]))


def test_one_face_is_found_once_and_by_the_best_score():
    true = boxes(("a", 0, 0, 40, 40))
    found = boxes(("a", 0, 0, 40, 40), ("a", 1, 0, 40, 40), score=[0.8, 0.9])
    true, found = match_faces(true, found, iou=0.5)
    assert found["face"].tolist() == [0, -1]
    assert true["score"].tolist() == [0.9]


def test_a_find_in_another_photo_is_no_find():
    counted = score_detections(boxes(("a", 0, 0, 40, 40)), boxes(("b", 0, 0, 40, 40), score=0.9), iou=0.5)["all"]
    assert (counted["true"], counted["false"], counted["missed"]) == (0, 1, 1)


def test_a_small_face_that_is_found_counts_neither_way_among_the_large():
    true = boxes(("a", 0, 0, 40, 40), ("a", 100, 100, 110, 110))
    found = boxes(("a", 0, 0, 40, 40), ("a", 100, 100, 110, 110), ("a", 200, 0, 210, 10), ("a", 200, 100, 250, 150))
    table = score_detections(true, found.assign(score=[0.9, 0.8, 0.7, 0.6]), iou=0.5)
    assert [table[size]["true"] for size in ("<16", "16-32", ">=32", "all")] == [1, 0, 1, 2]
    assert [table[size]["false"] for size in ("<16", "16-32", ">=32", "all")] == [1, 0, 1, 2]


def test_the_threshold_rules_the_counts_but_not_the_average_precision():
    true = boxes(("a", 0, 0, 40, 40), ("a", 100, 100, 140, 140))
    found = boxes(("a", 0, 0, 40, 40), ("a", 100, 100, 140, 140), score=[0.9, 0.3])
    counted = score_detections(true, found, iou=0.5, threshold=0.5)["all"]
    assert (counted["recall"], counted["precision"], counted["ap"]) == (0.5, 1.0, 1.0)


def test_recall_is_told_for_every_kind_of_face():
    true = boxes(("a", 0, 0, 40, 40), ("a", 100, 100, 140, 140), kind=["with_mask", "without_mask"])
    table = score_detections(true, boxes(("a", 0, 0, 40, 40), score=[0.9]), iou=0.5)
    assert (table["with_mask"]["recall"], table["without_mask"]["recall"]) == (1, 0)


def test_a_photo_without_true_faces_still_yields_false_finds():
    true = boxes(("a", np.nan, np.nan, np.nan, np.nan))
    assert score_detections(true, boxes(("a", 0, 0, 40, 40), score=[0.9]), iou=0.5)["all"]["false"] == 1


def test_nothing_found_is_zero_and_no_error():
    table = score_detections(boxes(("a", 0, 0, 40, 40)), boxes(score=np.empty(0)), iou=0.5)
    assert (table["all"]["recall"], table["all"]["ap"], table["all"]["missed"]) == (0, 0, 1)


def test_average_precision_of_a_known_order():
    assert average_precision(np.array([True, False, True]), 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([True, True]), 4) == 0.5


def test_recall_at_a_precision_takes_the_longest_list_that_is_precise_enough():
    hits = np.array([True, False, True, True, True, False, False])
    assert recall_at_precision(hits, 5, precision=0.8) == 0.8
    assert recall_at_precision(hits, 5, precision=1.0) == 0.2
