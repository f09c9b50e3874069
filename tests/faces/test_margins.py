"""The margin that a set of photos has room for, and what is said where crops leave their photos."""

import numpy as np
import pandas as pd
import pytest

from tests.faces.test_crops import PARAMS, face
from visage.faces.margins import describe_outside, fit_margin, largest_margin, measure_face

AUTO = PARAMS.replace(margin="auto")


def faces(*sides: float, by="detector") -> pd.DataFrame:
    """Square faces of these sides in the middle of photos of 100 x 100."""
    boxes = ([50 - side / 2] * 2 + [50 + side / 2] * 2 for side in sides)
    return pd.DataFrame([face(box, by=by) | {"width": 100, "height": 100} for box in boxes])


@pytest.mark.parametrize(("side", "margin"), [(40, 0.25), (70, 0.2), (80, 0.1), (99, 0), (100, 0)])
def test_auto_is_the_most_that_the_photos_have_room_for_in_steps(side, margin):
    assert fit_margin(faces(*[side] * 20), AUTO).margin == margin


def test_one_photo_in_ten_may_have_less_room():
    assert fit_margin(faces(*[50] * 18, 100, 100), AUTO).margin == 0.25
    assert fit_margin(faces(*[50] * 17, 100, 100, 100), AUTO).margin == 0
    assert fit_margin(faces(50, 50, 100), AUTO).margin == 0


def test_a_number_stays_and_a_set_without_faces_gets_the_most():
    assert fit_margin(faces(100), PARAMS.replace(margin=0.4)).margin == 0.4
    assert fit_margin(faces(100, by="whole"), AUTO).margin == fit_margin(faces(100).head(0), AUTO).margin == 0.25


def test_a_letterbox_needs_no_room_for_its_shape():
    portrait = AUTO.replace(shape="portrait")
    assert fit_margin(faces(80), portrait).margin == 0
    assert fit_margin(faces(80), portrait.replace(fit="letterbox")).margin == 0.1


@pytest.mark.parametrize("degrees", [0, 12, -40])
@pytest.mark.parametrize("shape", ["square", "portrait"])
def test_with_the_largest_margin_a_crop_just_fits(degrees, shape):
    eyes = np.array([[30.0, 40], [50, 40 + 20 * np.tan(np.radians(degrees))]])
    tilted = face([30, 34, 68, 70], eyes) | {"width": 100, "height": 110}
    params = PARAMS.replace(align=True, shape=shape)
    margin = largest_margin(tilted, params)
    assert measure_face(tilted, params.replace(margin=margin)) == pytest.approx(0, abs=1e-6)
    assert measure_face(tilted, params.replace(margin=margin + 0.02)) > 1e-4


def test_little_outside_is_said_in_a_few_words():
    sentence = describe_outside(np.array([0, 0.1, 0.5]), faces(40), PARAMS)
    assert sentence == "The median crop has 10% of its area outside its photo."


def test_much_outside_says_which_parameters_would_help_and_how_much():
    params = PARAMS.replace(margin=0.25, shape="portrait")
    sentence = describe_outside(np.array([0.5]), faces(100), params)
    assert "25% with crop.margin: auto (here 0)" in sentence
    assert sentence.endswith("0% with crop.shape: square and margin: auto.")


def test_only_what_would_help_is_suggested():
    turned = faces(100).assign(right_eye_x=40.0, right_eye_y=40.0, left_eye_x=60.0, left_eye_y=60.0)
    sentence = describe_outside(np.array([0.17]), turned, PARAMS.replace(align=True))
    assert sentence.endswith("it would be 0% with crop.enabled: false (whole photos).")


def test_a_set_without_crops_has_nothing_outside():
    assert "0% of its area" in describe_outside(np.array([]), faces(), PARAMS)
