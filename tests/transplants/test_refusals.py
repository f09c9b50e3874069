"""What was refused is counted by reason, and the counts add up."""

import numpy as np
import pandas as pd
import pytest

from visage.formats.columns import CORNERS, LANDMARKS
from visage.formats.tasks import Task
from visage.transplants.landmarks import forehead_shares, photo_frames
from visage.transplants.pairing import TONE, TransplantParams, pair_faces
from visage.transplants.refusals import count_refusals, describe_refusals

TASKS = [
    Task("gender", ("male", "female"), "gender"),
    Task("age", ("<30", "30-59", ">=60"), "age", (30, 60)),
]
PARAMS = TransplantParams(
    method="forehead", blend="feather", match=True, per_donor=2, target_share=0.5, max_tilt=15, max_turn=0.3,
    max_size=1.5, max_error=0.12, seed=0,
)  # fmt: skip
UPRIGHT = np.array([[42, 60], [82, 60], [62, 86], [46, 104], [78, 104]], float)  # in a crop of 128 x 128 pixels


def make_faces(ages: list[str], **columns: object) -> pd.DataFrame:
    """Photos of one fold, a person each, without anything against them; `columns` change whole columns."""
    count = len(ages)
    faces = pd.DataFrame({"age": ages, "gender": "male", "fold": 0, "bare": 1.0, "in_photo": 1.0, "in_picture": 1.0})
    faces["person"] = [f"person{row}" for row in range(count)]
    faces[TONE] = 50.0
    faces[LANDMARKS] = np.tile(UPRIGHT.ravel(), (count, 1))
    return faces.assign(**columns).rename_axis("photo").rename(index=lambda row: f"photo{row}")


def count(faces: pd.DataFrame, params: TransplantParams = PARAMS) -> dict:
    plan = pair_faces(faces, TASKS, params)
    return count_refusals(faces, TASKS, params, plan, len(plan))


def test_each_photo_is_counted_once_under_its_first_reason() -> None:
    faces = make_faces([">=60"] * 7 + ["<30"] * 8)
    faces.loc["photo0", "gender"] = ""
    faces.loc[["photo0", "photo1"], LANDMARKS] = np.nan
    faces.loc["photo2", "nose_x"] += 30
    faces.loc[["photo3"], ["in_photo", "in_picture"]] = 0.3
    faces.loc[["photo3", "photo4"], "in_picture"] = 0.3
    faces.loc[["photo4", "photo5"], "bare"] = 0.1
    donors = count(faces)["donors"]
    assert donors["refused"] == {
        "no label": 1, "no landmarks": 1, "profile": 1, "forehead out of the photo": 1, "forehead out of the crop": 1,
        "covered forehead": 1,
    }  # fmt: skip
    assert donors["suitable"] == 1 and donors["photos"] == donors["suitable"] + sum(donors["refused"].values())


def test_each_pair_is_counted_once_and_those_that_one_limit_alone_refuses_are_told() -> None:
    faces = make_faces([">=60", "<30", "<30", "<30", "30-59"])
    faces.loc["photo1", "gender"] = "female"
    faces.loc[["photo1", "photo2"], "tone_l"] = 99.0
    centre = UPRIGHT.mean(0)
    faces.loc["photo3", LANDMARKS] = ((UPRIGHT - centre) * 1.7 + centre).ravel()
    pairs = count(faces)["pairs"]
    refused, alone = ({k: v for k, v in pairs[name].items() if v} for name in ("refused", "for_this_alone"))
    assert refused == {"another gender": 1, "tone": 1, "size": 1} and alone == {"tone": 1, "size": 1}
    assert pairs["compared"] == 4 == pairs["possible"] + sum(refused.values())


def test_what_was_asked_is_what_was_made_and_what_grafting_refused() -> None:
    faces = make_faces([">=60"] * 2 + ["<30"] * 6)
    plan = pair_faces(faces, TASKS, PARAMS)
    counts = count_refusals(faces, TASKS, PARAMS, plan, 3)
    assert counts["asked"] == counts["planned"] == 4 == counts["made"] + counts["grafting"]["too little person"]
    assert sum(count_refusals(faces, TASKS, PARAMS.replace(target_share=1.0), plan, 4)["grafting"].values()) == 0


def test_the_sentences_name_the_limit_that_helps() -> None:
    faces = make_faces([">=60"] * 4 + ["<30"] * 20)
    faces.loc[["photo0", "photo1"], "in_picture"] = 0.3
    faces.loc["photo2", "in_picture"] = 0.7
    faces.loc["photo9", LANDMARKS] *= 2
    sentences = " ".join(describe_refusals(count(faces), PARAMS))
    assert "4 pictures made of 16 that transplant.target_share asks for." in sentences
    assert "At most 4 were possible: 2 photos have a receiver, and each may give 2 (transplant.per_donor)" in sentences
    assert "2 of 4 (1 with a part of the forehead); refused: forehead out of the crop 2 (a larger crop.margin)." in (
        sentences
    )
    assert "Pairs: 38 of 40; refused: size 2 (2 for this alone, transplant.max_size)." in sentences


def test_without_a_method_nothing_is_counted() -> None:
    faces = make_faces([">=60"])
    assert count_refusals(faces, TASKS, PARAMS.replace(method="none"), pair_faces(faces, TASKS, PARAMS), 0) == {}
    assert describe_refusals({}, PARAMS) == []


# ---------------------------------------------------------------------------------------------- what a picture shows


def cut_faces(scale: float, angle: float, top: float, pad: float = 0.0) -> pd.DataFrame:
    """One crop of 128 x 128, of a photo turned by `angle` degrees and `scale` times as large, of whose side the crop
    shows 128 pixels: `top` crop pixels lie above the photo; `pad` crop pixels above and below are letterbox."""
    factor = scale * np.exp(1j * np.radians(angle))
    photo = (UPRIGHT @ [1, 1j] - (64 + 64j)) * factor + (200 + 1j * (64 - top) * scale)
    centre, half = np.array([200, (64 - top) * scale]), np.array([64, 64 - pad]) * scale
    points = np.stack([photo.real, photo.imag], -1).ravel()
    values = dict(zip(LANDMARKS, UPRIGHT.ravel(), strict=True))
    values |= {f"photo_{name}": value for name, value in zip(LANDMARKS, points, strict=True)}
    values |= dict(zip(CORNERS, [*(centre - half), *(centre + half)], strict=True))
    return pd.DataFrame([values | {"width": 128, "height": 128, "photo_width": 400, "photo_height": 600}])


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_the_frame_is_where_the_photo_lies_in_the_crop(scale: float) -> None:
    region, photo = photo_frames(cut_faces(scale, 0.0, 20.0))[0]
    assert np.allclose(region, [[0, 0], [128, 0], [128, 128], [0, 128]])
    left, right = 64 - 200 / scale, 64 + 200 / scale
    assert np.allclose(photo, [[left, 20], [right, 20], [right, 20 + 600 / scale], [left, 20 + 600 / scale]])


def test_the_frame_of_a_turned_crop_is_turned() -> None:
    photo = photo_frames(cut_faces(1.0, 30.0, 20.0))[0, 1]
    top_edge = (photo[1] - photo[0]) @ [1, 1j]
    assert np.angle(top_edge, deg=True) == pytest.approx(-30) and abs(top_edge) == pytest.approx(400)


def test_letterbox_is_outside_of_the_region() -> None:
    assert np.allclose(photo_frames(cut_faces(1.0, 0.0, 0.0, pad=10.0))[0, 0][[0, 2]], [[0, 10], [128, 118]])


def test_the_forehead_in_the_photo_is_told_from_the_forehead_in_the_crop() -> None:
    forehead_middle = 60 - 0.62 * 40  # crop pixels from the top
    cut_by_photo = forehead_shares(cut_faces(1.0, 0.0, forehead_middle)).iloc[0]
    assert cut_by_photo["in_photo"] == cut_by_photo["in_picture"] == pytest.approx(0.5, abs=0.06)
    cut_by_crop = forehead_shares(cut_faces(1.0, 0.0, -50.0, pad=forehead_middle)).iloc[0]
    assert cut_by_crop["in_photo"] == 1 and cut_by_crop["in_picture"] == pytest.approx(0.5, abs=0.06)


def test_without_landmarks_nothing_is_known_of_the_forehead() -> None:
    faces = cut_faces(1.0, 0.0, 0.0)
    faces[LANDMARKS] = np.nan
    assert forehead_shares(faces).isna().all(axis=None)
