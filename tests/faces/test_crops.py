import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visage.faces.crop_params import CropParams
from visage.faces.crops import crop_face, crop_matrix, make_crop_row
from visage.faces.regions import add_margin, grow_to_aspect, shrink_to_aspect
from visage.formats.columns import CORNERS, LANDMARKS
from visage.formats.shards import decode_image

PARAMS = CropParams(
    enabled=True, size=64, shape="square", margin=0.0, align=False, fit="grow", pad="blur", missing="whole", quality=95
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


@pytest.mark.parametrize("pad", ["reflect", "blur", "mean"])
def test_what_lies_inside_the_photo_is_the_same_whatever_fills_the_rest(pad):
    crop, region, _ = crop_face(ramps(), face([-20, -20, 44, 44]), PARAMS.replace(pad=pad))
    assert region.tolist() == [-20, -20, 44, 44]
    assert np.abs(crop[20:, 20:, 0].astype(int) - np.arange(44)).max() <= 1


def test_the_mean_fills_with_the_colour_of_the_photo():
    image = ramps()
    crop, _, _ = crop_face(image, face([-20, -20, 44, 44]), PARAMS.replace(pad="mean"))
    assert (crop[:20] == image.mean((0, 1)).round()).all() and (crop[:, :20] == crop[0, 0]).all()


def test_a_reflection_mirrors_what_is_near_and_fades_with_distance():
    stripes = np.zeros((240, 180, 3), np.uint8)
    stripes[:, 2::4], stripes[:, 3::4] = 255, 255
    crop, _, _ = crop_face(stripes, face([-32, 40, 32, 104]), PARAMS.replace(pad="reflect"))
    assert (crop[:, [30, 31, 32, 33]] < 40).all() and (crop[:, [28, 29, 34, 35]] > 170).all()
    assert np.abs(np.diff(crop[:, :20].astype(int), axis=1)).max() < 20


@pytest.mark.parametrize("pad", ["reflect", "blur", "mean"])
def test_far_outside_there_are_no_stripes(pad):
    bars = np.zeros((64, 64, 3), np.uint8)
    bars[::8], bars[:, ::8] = 255, 255
    crop, _, _ = crop_face(bars, face([0, 0, 64, 64]), PARAMS.replace(pad=pad, margin=1.0, size=192))
    assert np.abs(np.diff(crop[:40].astype(int), axis=1)).max() <= 6


def test_a_crop_inside_its_photo_is_not_filled():
    first, second = (crop_face(ramps(), face([0, 0, 64, 64]), PARAMS.replace(pad=pad))[0] for pad in ("mean", "blur"))
    assert (first == second).all() and (first[0, 0] <= 1).all()


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
    assert (row["margin"], row["outside"]) == (0, 0)
    assert decode_image(row["image"]).shape == (64, 64, 3)


@pytest.mark.parametrize(("key", "value"), [("size", 8), ("margin", -1), ("margin", 9), ("quality", 10)])
def test_a_parameter_that_makes_no_sense_gets_a_sentence(key, value):
    with pytest.raises(ValueError, match=f"{key} is"):
        PARAMS.replace(**{key: value})


# ---- geometry, for any box and any parameters ----------------------------------------------------------------------

side = st.floats(0.5, 4000)
boxes = st.tuples(st.floats(-500, 4000), st.floats(-500, 4000), side, side).map(
    lambda corner: np.array([corner[0], corner[1], corner[0] + corner[2], corner[1] + corner[3]])
)
aspects = st.sampled_from([0.75, 1.0])


def sides_of(box):
    return box[2:] - box[:2]


@given(boxes, aspects)
def test_a_grown_box_holds_the_box_and_a_shrunk_one_lies_in_it_both_about_its_centre(box, aspect):
    grown, shrunk = grow_to_aspect(box, aspect), shrink_to_aspect(box, aspect)
    for region in (grown, shrunk):
        width, height = sides_of(region)
        assert width == pytest.approx(aspect * height, rel=1e-6)
        assert (region[:2] + region[2:]) / 2 == pytest.approx((box[:2] + box[2:]) / 2, abs=1e-6)
    assert (grown[:2] <= box[:2] + 1e-6).all() and (grown[2:] >= box[2:] - 1e-6).all()
    assert (shrunk[:2] >= box[:2] - 1e-6).all() and (shrunk[2:] <= box[2:] + 1e-6).all()


@given(boxes, st.floats(-180, 180), st.integers(16, 1024), st.sampled_from(["square", "portrait"]))
def test_the_centre_of_the_region_is_the_centre_of_the_crop_at_any_angle(box, degrees, size, shape):
    params = PARAMS.replace(size=size, shape=shape)
    matrix = crop_matrix(grow_to_aspect(box, params.width / size), degrees, params)
    centre = matrix[:, :2] @ ((box[:2] + box[2:]) / 2) + matrix[:, 2]
    assert centre == pytest.approx([params.width / 2, size / 2], abs=1e-3)


@settings(max_examples=40)
@given(
    st.floats(1, 170), st.floats(1, 230), st.floats(2, 120), st.floats(2, 120), st.floats(0, 3), st.integers(16, 200),
    st.sampled_from(["square", "portrait"]), st.sampled_from(["grow", "letterbox", "stretch"]),
)  # fmt: skip
def test_every_crop_has_its_size_and_landmarks_land_where_the_region_says(
    x, y, width, height, margin, size, shape, fit
):
    params = PARAMS.replace(size=size, shape=shape, margin=margin, fit=fit)
    corner = face([x, y, x + width, y + height], np.array([[x, y], [x + width, y + height]]))
    crop, region, points = crop_face(ramps(), corner, params)
    assert crop.shape == (size, params.width, 3) and crop.dtype == np.uint8
    scale = np.array([params.width, size]) / sides_of(region)
    if fit == "letterbox":
        scale = np.repeat(scale.min(), 2)
    expected = (np.array([x, y]) - (region[:2] + region[2:]) / 2) * scale + np.array([params.width, size]) / 2
    assert points[0] == pytest.approx(expected, abs=1e-6)
