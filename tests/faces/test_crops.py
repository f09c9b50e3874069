import cv2
import numpy as np
import pytest

from visage.faces.crops import CropParams, add_margin, crop_face, grow_to_aspect, make_crop_row
from visage.formats.columns import CORNERS, LANDMARKS
from visage.formats.shards import decode_image

PARAMS = CropParams(
    enabled=True, size=64, shape="square", margin=0.0, align=False, fit="grow", missing="whole", quality=95
)


def face(box, eyes=None, by="detector", photo="a.png"):
    points = np.full((5, 2), np.nan)
    if eyes is not None:
        points = np.vstack([eyes, np.mean(eyes, 0, keepdims=True).repeat(3, 0)])
    return {"photo": photo, "by": by} | dict(zip([*CORNERS, *LANDMARKS], [*box, *points.ravel()], strict=True))


def ramps(height=240, width=180):
    """Red is x, green is y: a pixel's colour says where it comes from."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(width), np.arange(height)[:, None]
    return image


def test_every_pixel_of_a_crop_comes_from_its_place_in_the_photo():
    crop, region, _ = crop_face(ramps(), face([40, 60, 104, 124]), PARAMS)
    assert crop.shape == (64, 64, 3)
    assert region.tolist() == [40, 60, 104, 124]
    assert np.abs(crop[..., 0].astype(int) - np.arange(40, 104)).max() <= 1
    assert np.abs(crop[..., 1].astype(int) - np.arange(60, 124)[:, None]).max() <= 1


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_at_every_scale_a_crop_shows_the_same_part(size):
    crop, _, _ = crop_face(ramps(), face([20, 30, 148, 158]), PARAMS.replace(size=size))
    step = 128 / size
    expected = 20 + (np.arange(size) + 0.5) * step - 0.5
    assert np.abs(crop[size // 2, 2:-2, 0] - expected[2:-2]).max() <= 1.5


def test_a_box_grows_to_the_shape_around_its_centre():
    assert grow_to_aspect(np.array([10.0, 10, 30, 50]), 1).tolist() == [0, 10, 40, 50]
    assert grow_to_aspect(np.array([10.0, 10, 50, 30]), 0.75).tolist() == pytest.approx(
        [10, 20 - 40 / 0.75 / 2, 50, 20 + 40 / 0.75 / 2]
    )


def test_the_margin_is_a_share_of_the_box_on_each_side():
    assert add_margin(np.array([10.0, 20, 30, 60]), 0.25).tolist() == [5, 10, 35, 70]


def test_landmarks_move_with_the_picture():
    eyes = np.array([[60.0, 90.0], [84.0, 96.0]])
    for params in (PARAMS, PARAMS.replace(align=True), PARAMS.replace(margin=0.4, shape="portrait", size=80)):
        image = np.zeros((240, 180, 3), np.uint8)
        for x, y in eyes:
            cv2.circle(image, (int(x), int(y)), 3, (255, 255, 255), -1)
        crop, _, points = crop_face(image, face([40, 60, 104, 124], eyes), params)
        for x, y in points[:2]:
            assert crop[round(y - 0.5), round(x - 0.5), 0] > 200


def test_eyes_are_level_after_alignment():
    _, _, points = crop_face(
        ramps(), face([40, 60, 104, 124], np.array([[60.0, 90.0], [84.0, 104.0]])), PARAMS.replace(align=True)
    )
    assert points[0, 1] == pytest.approx(points[1, 1], abs=0.01)
    assert points[0, 0] < points[1, 0]


def test_letterboxing_pads_and_keeps_proportions_where_stretching_does_not():
    box = [40, 60, 72, 124]
    padded, _, _ = crop_face(ramps(), face(box), PARAMS.replace(fit="letterbox"))
    stretched, _, _ = crop_face(ramps(), face(box), PARAMS.replace(fit="stretch"))
    assert (padded[:, :14] == 128).all() and (padded[:, -14:] == 128).all()
    assert abs(int(padded[32, 32, 0]) - 56) <= 1
    assert abs(int(stretched[32, 0, 0]) - 40) <= 1 and abs(int(stretched[32, 63, 0]) - 71) <= 1


def test_a_crop_that_leaves_the_photo_repeats_its_border():
    crop, region, _ = crop_face(ramps(), face([-20, -20, 44, 44]), PARAMS)
    assert region.tolist() == [-20, -20, 44, 44]
    assert (crop[:20, :20, :2] == 0).all()
    assert abs(int(crop[63, 63, 0]) - 43) <= 1


def test_without_cropping_the_whole_photo_is_used():
    crop, region, _ = crop_face(ramps(), face([40, 60, 104, 124]), PARAMS.replace(enabled=False, fit="stretch"))
    assert region.tolist() == [0, 0, 180, 240]
    assert crop[0, 0, 0] <= 2 and crop[0, 63, 0] >= 176


def test_a_photo_without_a_face_gives_its_centre():
    crop, region, _ = crop_face(ramps(), face([0, 0, 180, 240], by="whole"), PARAMS)
    assert region.tolist() == [0, 30, 180, 210]
    assert abs(int(crop[0, 0, 1]) - 31) <= 2


def test_the_row_of_a_crop_carries_its_region_and_landmarks(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), ramps()[..., ::-1])
    row = make_crop_row(tmp_path, PARAMS, face([40, 60, 104, 124]))
    assert (row["photo"], row["width"], row["height"], row["by"]) == ("a.png", 64, 64, "detector")
    assert [row[name] for name in CORNERS] == [40, 60, 104, 124]
    assert row["nose_x"] is None
    assert decode_image(row["image"]).shape == (64, 64, 3)


@pytest.mark.parametrize(("key", "value"), [("size", 8), ("margin", -1), ("margin", 9), ("quality", 10)])
def test_a_parameter_that_makes_no_sense_gets_a_sentence(key, value):
    with pytest.raises(ValueError, match=f"{key} is"):
        PARAMS.replace(**{key: value})
