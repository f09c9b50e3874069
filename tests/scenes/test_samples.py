"""Training images: what is done to the pixels is done to the boxes, landmarks and mattes."""

import numpy as np
import pytest

from common.portraits import GroupPortrait, read_portraits, write_portraits
from detector import samples as detector_samples
from detector.samples import AnnotatedImage, random_view, split_tiles, transform_faces, warp
from matting import samples as matting_samples

LANDMARKS = np.array([[[10, 10], [20, 10], [15, 15], [11, 20], [19, 20]]], np.float32)


@pytest.fixture
def white_face():
    """A white square on black, which is the face."""
    image = np.zeros((60, 80, 3), np.uint8)
    image[5:26, 5:26] = 255
    return AnnotatedImage(image, np.array([[5, 5, 25, 25]], np.float32), LANDMARKS)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_boxes_follow_their_pixels(white_face, rng, scale):
    matrix = np.array([[scale, 0, 4], [0, scale, 9]], np.float64)
    view = warp(white_face, matrix, 120, 100, rng)
    x0, y0, x1, y1 = view.boxes[0].round().astype(int)
    assert view.image[y0 + 3 : y1 - 2, x0 + 3 : x1 - 2].min() > 200
    assert view.image[y1 + 3, (x0 + x1) // 2].max() < 60


def test_a_mirrored_face_has_its_right_eye_where_its_left_one_was(white_face):
    mirror = np.array([[-1, 0, 79], [0, 1, 0]], np.float64)
    _, landmarks, _ = transform_faces(white_face, mirror, 80, 60)
    assert landmarks[0, 0].tolist() == [79 - 20, 10]
    assert landmarks[0, 3].tolist() == [79 - 19, 20]


def test_a_face_that_lies_mostly_outside_is_not_labelled(white_face, rng):
    outside, half = np.array([[1, 0, -19], [0, 1, 0]], float), np.array([[1, 0, -15], [0, 1, 0]], float)
    assert len(warp(white_face, outside, 80, 60, rng).boxes) == 0
    assert len(warp(white_face, half, 80, 60, rng).boxes) == 1


def test_tiles_cover_the_image_once():
    for seed in range(8):
        count = np.zeros((64, 64), int)
        for left, top, right, bottom in split_tiles(64, np.random.default_rng(seed)):
            count[top:bottom, left:right] += 1
        assert (count == 1).all()


def test_a_face_of_a_mosaic_lies_where_its_box_says(white_face, monkeypatch):
    monkeypatch.setattr(detector_samples, "jitter_colours", lambda image, rng: image)
    monkeypatch.setattr(detector_samples, "MOSAIC_SHARE", 1.0)
    for seed in range(10):
        sample = detector_samples.make_sample([[white_face]], [1.0], 96, np.random.default_rng(seed))
        for x, y in ((sample.boxes[:, :2] + sample.boxes[:, 2:]) / 2).round().astype(int):
            assert sample.image[y, x].min() > 200


def test_an_image_without_faces_can_be_viewed(rng):
    empty = AnnotatedImage(np.zeros((40, 40, 3), np.uint8), np.empty((0, 4)), np.empty((0, 5, 2)))
    assert random_view(empty, 32, 24, rng).image.shape == (24, 32, 3)


def test_a_detector_sample_depends_on_its_generator_alone(white_face):
    first, second = (
        detector_samples.make_sample([[white_face]], [1.0], 64, np.random.default_rng([1, 2, 3])) for _ in range(2)
    )
    assert first.image.shape == (64, 64, 3)
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.boxes, second.boxes)


@pytest.fixture
def white_person():
    alpha = np.zeros((60, 80), np.uint8)
    alpha[20:, 20:70] = 255
    return GroupPortrait(alpha[..., None].repeat(3, 2), alpha, np.array([[30, 25, 50, 45]], np.float32), LANDMARKS)


def test_before_a_new_background_the_person_keeps_its_pixels(white_person, monkeypatch):
    monkeypatch.setattr(matting_samples, "jitter_colours", lambda image, rng: image)
    scenery = [np.full((60, 60, 3), 90, np.uint8)]
    changed = 0
    for seed in range(20):
        image, alpha = matting_samples.make_sample([white_person], scenery, 1.0, 48, np.random.default_rng(seed))
        assert (image[alpha == 255] == 255).all()
        changed += set(np.unique(image[alpha == 0])) == {90}
    assert 4 <= changed <= 18


def test_portraits_come_back_from_their_file(white_person, tmp_path):
    write_portraits(tmp_path / "portraits.parquet", [white_person] * 2)
    portraits = read_portraits(tmp_path / "portraits.parquet")
    assert len(portraits) == 2
    assert np.array_equal(portraits[1].alpha, white_person.alpha)
    assert np.array_equal(portraits[1].boxes, white_person.boxes)
    assert np.array_equal(portraits[1].landmarks, white_person.landmarks)
    assert np.abs(portraits[1].image.astype(int) - white_person.image).mean() < 3  # JPEG
