import numpy as np
import pandas as pd
import pytest

from visage.faces.boxes import choose_boxes, read_boxes, read_manual_boxes
from visage.formats.columns import CORNERS, LANDMARKS, MANUAL_BOX_COLUMNS

PHOTOS = pd.DataFrame({"photo": ["a", "b", "c"], "width": [100, 100, 60], "height": [80, 80, 90]})
POINTS = [22.0, 20.0, 38.0, 20.0, 30.0, 30.0, 24.0, 40.0, 36.0, 40.0]


def detected_boxes(tmp_path, photos=("a", "b", "c")):
    """A face at 10 10 50 50 in each photo but b."""
    face, no_face = [10, 10, 50, 50, 0.9, *POINTS, 1, "detector"], [*[None] * 15, 0, "none"]
    rows = [[photo, *(no_face if photo == "b" else face)] for photo in photos]
    columns = ["photo", *CORNERS, "score", *LANDMARKS, "faces", "source"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "boxes.csv", index=False)
    return read_boxes(tmp_path / "boxes.csv")


def manual_boxes(tmp_path, *rows, photos=PHOTOS):
    (tmp_path / "manual.csv").write_text("\n".join([",".join(MANUAL_BOX_COLUMNS), *rows]) + "\n")
    return read_manual_boxes(tmp_path / "manual.csv", photos)


def test_a_hand_drawn_box_beats_the_detected_one(tmp_path):
    manual = manual_boxes(tmp_path, "a,1,2,30,40,", "b,5,5,20,20,dark")
    chosen = choose_boxes(PHOTOS, detected_boxes(tmp_path), manual, "stop")
    assert chosen["by"].to_dict() == {"a": "hand", "b": "hand", "c": "detector"}
    assert chosen.loc["a", CORNERS].tolist() == [1, 2, 30, 40]
    assert chosen.loc["c", CORNERS].tolist() == [10, 10, 50, 50]


def test_landmarks_stay_only_where_they_lie_in_the_hand_drawn_box(tmp_path):
    detected = detected_boxes(tmp_path)
    around = choose_boxes(PHOTOS, detected, manual_boxes(tmp_path, "a,5,5,60,60,"), "whole")
    beside = choose_boxes(PHOTOS, detected, manual_boxes(tmp_path, "a,60,5,90,60,"), "whole")
    assert around.loc["a", LANDMARKS].tolist() == POINTS
    assert beside.loc["a", LANDMARKS].isna().all()


def test_boxes_are_joined_by_photo_whatever_the_order_of_the_tables(tmp_path):
    straight = choose_boxes(PHOTOS, detected_boxes(tmp_path), manual_boxes(tmp_path), "whole")
    shuffled = choose_boxes(PHOTOS.iloc[::-1], detected_boxes(tmp_path, "bca"), manual_boxes(tmp_path), "whole")
    assert shuffled.loc[straight.index].equals(straight)


def test_a_hand_drawn_box_changes_no_other_photo(tmp_path):
    chosen = choose_boxes(PHOTOS, detected_boxes(tmp_path), manual_boxes(tmp_path, "c,1,1,9,9,"), "whole")
    assert chosen.loc["a", CORNERS].tolist() == [10, 10, 50, 50]
    assert np.isnan(chosen.loc["b", LANDMARKS].astype(float)).all()


def test_photos_called_nan_and_na_keep_their_names_and_their_boxes(tmp_path):
    photos = PHOTOS.assign(photo=["nan", "b", "NA"])
    manual = manual_boxes(tmp_path, "NA,1,2,30,40,", photos=photos)
    chosen = choose_boxes(photos, detected_boxes(tmp_path, ("nan", "b", "NA")), manual, "whole")
    assert chosen["by"].to_dict() == {"nan": "detector", "b": "whole", "NA": "hand"}


def test_a_photo_that_the_boxes_lack_is_named(tmp_path):
    with pytest.raises(ValueError, match="the boxes lack 1 photos, such as c; run `dvc repro detect`"):
        choose_boxes(PHOTOS, detected_boxes(tmp_path, "ab"), manual_boxes(tmp_path), "whole")


def test_missing_faces_stop_or_use_the_whole_photo_or_drop_it(tmp_path):
    detected, manual = detected_boxes(tmp_path), manual_boxes(tmp_path)
    with pytest.raises(ValueError, match="1 photos have no face, such as b: draw their boxes"):
        choose_boxes(PHOTOS, detected, manual, "stop")
    whole = choose_boxes(PHOTOS, detected, manual, "whole")
    assert whole.loc["b", [*CORNERS, "by"]].tolist() == [0, 0, 100, 80, "whole"]
    assert whole.loc["b", LANDMARKS].isna().all()
    assert choose_boxes(PHOTOS, detected, manual, "drop").index.tolist() == ["a", "c"]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("z,1,1,5,5,", "manual.csv, row 2: there is no photo 'z'."),
        ("a,1,1,101,5,", "the box 1 1 101 5 leaves the photo, which is 100 x 80."),
        ("a,-1,1,10,5,", "the box -1 1 10 5 leaves the photo"),
        ("a,5,1,5,9,", "the box 5 1 5 9 is empty or reversed; x0 should be below x1 and y0 below y1."),
        ("a,9,1,5,9,", "the box 9 1 5 9 is empty or reversed"),
        ("a,0,0,0,0,", "the box 0 0 0 0 is empty or reversed"),
        ("a,one,1,5,9,", "'one', '1', '5', '9' should be four numbers"),
        ("a,,1,5,9,", "'', '1', '5', '9' should be four numbers"),
        ("a,nan,1,5,9,", "nan, 1, 5, 9 should be four finite numbers."),
    ],
)
def test_a_hand_drawn_box_that_makes_no_sense_gets_a_sentence(tmp_path, row, sentence):
    with pytest.raises(ValueError) as error:
        manual_boxes(tmp_path, row)
    assert sentence in str(error.value)


def test_all_wrong_boxes_are_reported_at_once_with_their_rows(tmp_path):
    with pytest.raises(ValueError) as error:
        manual_boxes(tmp_path, "z,1,1,5,5,", "a,1,1,5,5,", "a,2,2,6,6,", "b,9,9,1,1,")
    lines = str(error.value).splitlines()
    assert [line.split(": ")[0].rpartition(" ")[2] for line in lines] == ["2", "5", "4"]
    assert "a has a box above already; keep one row." in lines[2]


def test_other_columns_are_reported(tmp_path):
    (tmp_path / "manual.csv").write_text("photo,left,top,right,bottom\n")
    with pytest.raises(ValueError, match="the columns are"):
        read_manual_boxes(tmp_path / "manual.csv", PHOTOS)
