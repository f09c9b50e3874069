"""Which scenes are trained on, and what of them is background."""

import numpy as np
import pytest

from common.street_scenes import crop_above_faces, is_held_out, read_held_out_faces, read_training_scenes
from tests.conftest import picture

FACE = "<object><name>with_mask</name><xmin>2</xmin><ymin>3</ymin><xmax>8</xmax><ymax>9</ymax></object>"


@pytest.fixture
def street(tmp_path):
    """Thirty scenes with one face each, told apart by their colour."""
    (tmp_path / "annotations").mkdir()
    for number in range(30):
        picture(tmp_path / f"images/street{number}.png", (number, 0, 0))
        (tmp_path / f"annotations/street{number}.xml").write_text(f"<annotation>{FACE}</annotation>")
    return tmp_path


def test_a_scene_is_either_trained_on_or_held_out(street):
    trained = {int(image[0, 0, 0]) for image, _ in read_training_scenes(street, 5)}
    held_out = {int(photo.removeprefix("images/street").removesuffix(".png"))
                for photo in read_held_out_faces(street, 5)["photo"]}  # fmt: skip
    assert trained and held_out
    assert trained | held_out == set(range(30))
    assert not trained & held_out


def test_the_name_alone_decides_so_that_other_scenes_and_formats_move_nothing():
    for number in range(50):
        assert is_held_out(f"images/{number}.png", 5) == is_held_out(f"elsewhere/{number}.jpg", 5)


def test_about_one_scene_in_so_many_is_held_out():
    share = np.mean([is_held_out(f"images/{number}.jpg", 5) for number in range(2000)])
    assert 0.17 < share < 0.23


def test_boxes_come_with_their_scene(street):
    for _, boxes in read_training_scenes(street, 5):
        assert boxes.tolist() == [[2, 3, 8, 9]]


def test_backgrounds_end_above_the_highest_face_and_low_ones_are_left_out():
    image = np.zeros((200, 50, 3), np.uint8)
    high, low = np.array([[5, 60, 20, 80]], np.float32), np.array([[5, 150, 20, 180], [9, 120, 20, 180]], np.float32)
    no_face = np.empty((0, 4), np.float32)
    [background] = crop_above_faces([(image, high), (image, low), (image, no_face)])
    assert background.shape == (110, 50, 3)
