"""Detectors side by side on photos whose true boxes are known."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from stages.compare_detectors import main
from visage.faces.comparison import CompareDetectorsParams, compare_detectors, read_true_boxes
from visage.practice.people import sample_population
from visage.practice.portraits import draw_portrait

PARAMS = CompareDetectorsParams(side=0, threshold=0.5, min_score=0.05)


@pytest.fixture
def true_boxes(tmp_path):
    """A folder with two portraits and the table of their true boxes."""
    rows = []
    for number, person in enumerate(sample_population(77, 2)):
        portrait = draw_portrait(person, ("normal", "mask1")[number], np.random.default_rng(number))
        cv2.imwrite(str(tmp_path / f"{number}.png"), portrait.image[..., ::-1])
        rows.append((f"{number}.png", *portrait.box, ("not worn", "worn")[number]))
    pd.DataFrame(rows, columns=["photo", "x0", "y0", "x1", "y1", "kind"]).to_csv(tmp_path / "true.csv", index=False)
    return tmp_path / "true.csv"


def test_the_bundled_detector_finds_all_drawn_faces_and_the_centre_makes_one_guess_a_photo(true_boxes):
    truth, root = read_true_boxes(true_boxes)
    table = compare_detectors(truth, root, ["bundled", "centre"], PARAMS)
    assert list(table) == ["bundled", "centre"]
    assert table["bundled"]["iou 0.5"]["all"]["recall"] == 1
    assert table["bundled"]["iou 0.5"]["worn"]["faces"] == 1
    centre = table["centre"]["iou 0.3"]["all"]
    assert centre["true"] + centre["false"] == 2
    assert all(scores["photos_per_second"] > 0 for scores in table.values())


def test_the_stage_writes_scores_and_a_chart(true_boxes, tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text("compare_detectors: {side: 0, threshold: 0.5, min_score: 0.05}")
    monkeypatch.chdir(tmp_path)
    main(true_boxes, tmp_path / "detectors.json", tmp_path / "detectors.png", "centre")
    assert list(json.loads((tmp_path / "detectors.json").read_text())) == ["centre"]
    assert cv2.imread(str(tmp_path / "detectors.png")).shape[0] > 100


def test_an_unknown_detector_and_a_table_without_boxes_get_a_sentence(true_boxes, tmp_path):
    truth, root = read_true_boxes(true_boxes)
    with pytest.raises(ValueError, match="no detector 'yunett'. Did you mean 'yunet'"):
        compare_detectors(truth, root, ["yunett"], PARAMS)
    (tmp_path / "bad.csv").write_text("photo,x0\na.png,1\n")
    with pytest.raises(ValueError, match="lacks the column y0, x1, y1"):
        read_true_boxes(tmp_path / "bad.csv")


def test_an_empty_kind_in_the_table_is_no_kind_and_a_photo_called_nan_is_a_photo(tmp_path):
    (tmp_path / "true.csv").write_text("photo,x0,y0,x1,y1,kind\nnan,1,2,3,4,worn\nb.png,,,,,\n")
    truth, _ = read_true_boxes(tmp_path / "true.csv")
    assert truth["photo"].tolist() == ["nan", "b.png"]
    assert list(truth.groupby("kind").groups) == ["worn"]
    assert truth["x0"].isna().tolist() == [False, True]
