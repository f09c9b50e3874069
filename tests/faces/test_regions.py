"""Which part of a photo a crop shows, and how much of it lies outside the photo."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faces.test_crops import PARAMS, face
from visage.faces.crops import crop_matrix, measure_distance
from visage.faces.regions import choose_region, measure_outside, turn_angle

HEIGHT, WIDTH = 240, 180
TOLERANCE = 1e-6
inside = st.tuples(*[st.floats(0, 1)] * 4).map(
    lambda at: (
        at[0] * (WIDTH - 10), at[1] * (HEIGHT - 10),
        at[0] * (WIDTH - 10) + 1 + at[2] * (WIDTH - 1 - at[0] * (WIDTH - 10)),
        at[1] * (HEIGHT - 10) + 1 + at[3] * (HEIGHT - 1 - at[1] * (HEIGHT - 10)),
    )
)  # fmt: skip
margins = st.floats(0, 3)
variants = st.sampled_from(["grow", "letterbox", "stretch"])


def region_of(box, **changes):
    return choose_region(face(box), HEIGHT, WIDTH, PARAMS.replace(**changes))


def test_a_region_that_lies_in_the_photo_stays_about_the_face():
    assert region_of([60, 100, 100, 140], margin=0.25).tolist() == [50, 90, 110, 150]


def test_a_region_moves_no_further_than_to_the_edge():
    assert region_of([0, 100, 40, 140], margin=0.5).tolist() == [0, 80, 80, 160]
    assert region_of([130, 190, 170, 230], margin=0.5).tolist() == [100, 160, 180, 240]


def test_a_region_longer_than_the_photo_holds_all_of_it_and_stays_as_near_to_the_face_as_it_can():
    assert region_of([0, 60, 100, 160], margin=1).tolist() == [-100, -40, 200, 260]
    assert region_of([0, 60, 100, 160], margin=0.5).tolist() == [-20, 10, 180, 210]


def test_a_box_that_leaves_the_photo_keeps_its_region_outside():
    assert region_of([-30, 100, 10, 140]).tolist() == [-30, 100, 10, 140]


@given(inside, margins, st.sampled_from(["square", "portrait"]), variants)
def test_nothing_lies_outside_where_the_photo_has_room(box, margin, shape, fit):
    region = region_of(box, margin=margin, shape=shape, fit=fit)
    share = measure_outside(region, 0, HEIGHT, WIDTH)
    sides = region[2:] - region[:2]
    visible = np.minimum(sides, (WIDTH, HEIGHT)).prod() / sides.prod()
    assert share == pytest.approx(1 - visible, abs=TOLERANCE)


@given(inside, margins, st.floats(-60, 60), variants)
def test_the_box_is_in_its_region_however_that_is_moved_and_turned(box, margin, degrees, fit):
    slope = np.tan(np.radians(degrees))
    tilted = face(box, np.array([[50.0, 90], [60, 90 + 10 * slope]]))
    region = choose_region(tilted, HEIGHT, WIDTH, PARAMS.replace(margin=margin, align=True, fit=fit))
    assert (region[:2] <= np.array(box[:2]) + TOLERANCE).all() and (region[2:] >= np.array(box[2:]) - TOLERANCE).all()


def test_a_turned_region_is_moved_until_its_corners_are_inside():
    tilted = face([30, 30, 70, 70], np.array([[40.0, 40], [50, 45]]))
    params = PARAMS.replace(margin=0.5, align=True)
    region, degrees = choose_region(tilted, HEIGHT, WIDTH, params), turn_angle(tilted, params)
    assert degrees > 20 and measure_outside(region, degrees, HEIGHT, WIDTH) == pytest.approx(0, abs=TOLERANCE)
    assert measure_outside(region - 1, degrees, HEIGHT, WIDTH) > 0


@pytest.mark.parametrize(
    ("region", "degrees", "share"),
    [
        ([10, 10, 50, 50], 30, 0),
        ([-20, 0, 20, 40], 0, 0.5),
        ([-20, -20, 20, 20], 0, 0.75),
        ([-20, -20, 20, 20], 45, 0.75),
        ([300, 300, 320, 320], 10, 1),
        ([-180, -240, 360, 480], 0, 8 / 9),
    ],
)
def test_the_share_outside_is_an_area(region, degrees, share):
    assert measure_outside(np.array(region, float), degrees, HEIGHT, WIDTH) == pytest.approx(share, abs=TOLERANCE)


@pytest.mark.parametrize("degrees", [-70, -12, 0, 5, 33, 90])
@pytest.mark.parametrize("fit", ["grow", "stretch"])
def test_the_share_outside_is_that_of_the_crops_pixels(degrees, fit):
    params = PARAMS.replace(size=400, shape="portrait", fit=fit)
    region = np.array([-40.0, 30, 110, 230 if fit == "grow" else 300])
    distance = measure_distance(crop_matrix(region, degrees, params), HEIGHT, WIDTH, params)
    assert (distance > 0).mean() == pytest.approx(measure_outside(region, degrees, HEIGHT, WIDTH), abs=0.003)
