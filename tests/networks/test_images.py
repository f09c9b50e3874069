"""Pictures in memory: each under its own key, at one size, cut out as asked."""

from pathlib import Path

import numpy as np
import pytest

from tests.drawn_people import MASK, TASKS, colour_of, people, write_crops, write_set
from visage.formats.shards import encode_image, write_shards
from visage.networks.images import (
    FACE_LANDMARKS,
    Preprocessing,
    composite,
    mask_below_chin,
    read_images,
    read_transplant_images,
    resize,
)
from visage.transplants.picture_set import list_columns


def test_every_picture_in_memory_belongs_to_its_key(tmp_path: Path) -> None:
    table = people(20)
    images = read_images(write_crops(tmp_path / "crops", table), tmp_path, Preprocessing(32, 24))
    owners = table.set_index("photo").loc[images.rows["photo"], "person"]
    assert len(images.pixels) == len(table)
    assert [tuple(pixels[9, 0]) for pixels in images.pixels] == [colour_of(int(name[1:])) for name in owners]


def test_only_the_photos_asked_for_are_read(tmp_path: Path) -> None:
    crops = write_crops(tmp_path / "crops", people(5))
    images = read_images(crops, tmp_path, Preprocessing(32, 24), photos=["p03/1.jpg"])
    assert list(images.rows["photo"]) == ["p03/1.jpg"]


def test_pictures_come_out_at_the_size_that_was_asked_for(tmp_path: Path) -> None:
    crops = write_crops(tmp_path / "crops", people(2))
    assert read_images(crops, tmp_path, Preprocessing(16, 40)).pixels.shape[1:] == (16, 40, 3)


def test_trimming_leaves_the_middle_of_picture_and_matte() -> None:
    image = np.arange(32 * 24, dtype=np.int16).reshape(32, 24)
    assert np.array_equal(resize(image, Preprocessing(16, 12, trim=0.25)), image[8:24, 6:18])


def test_the_matte_of_the_same_photo_cuts_it_out(tmp_path: Path) -> None:
    table = people(10)
    crops = write_crops(tmp_path / "crops", table)
    heights = {photo: 1 + i for i, photo in enumerate(table["photo"])}  # each matte keeps another number of rows
    is_kept = {photo: np.arange(32)[:, None] < height for photo, height in heights.items()}
    mattes = {photo: np.where(keep, 255, 0).repeat(24, 1).astype(np.uint8) for photo, keep in is_kept.items()}
    write_set(tmp_path / "mattes", mattes)
    images = read_images(crops, tmp_path / "mattes", Preprocessing(32, 24, "person", (1, 2, 3)))
    filled = (images.pixels == (1, 2, 3)).all(3).all(2).sum(1)
    assert list(32 - filled) == [heights[photo] for photo in images.rows["photo"]]


def test_a_picture_without_matte_is_named(tmp_path: Path) -> None:
    crops = write_crops(tmp_path / "crops", people(1))
    write_shards(tmp_path / "mattes", [], {})
    with pytest.raises(ValueError, match=r"has no matte of .*; set keep: all, or a cut_out.model other than none"):
        read_images(crops, tmp_path / "mattes", Preprocessing(32, 24, "person"))


def test_half_a_matte_mixes_picture_and_fill() -> None:
    picture, matte = np.full((1, 3, 3), 200, np.uint8), np.array([[0, 51, 255]], np.uint8)
    assert composite(picture, matte, (100, 0, 50))[0].tolist() == [[100, 0, 50], [120, 40, 80], [200, 200, 200]]


@pytest.mark.parametrize(("landmarks", "shown"), [
    ([6, 10, 14, 10, 7, 20, 13, 20], np.arange(40)[:, None] <= 10 + 18.5),  # upright: eyes at 10, mouth at 20
    ([14, 30, 6, 30, 13, 20, 7, 20], np.arange(40)[:, None] >= 30 - 18.5),  # on its head
    ([None] * 8, np.ones((40, 1), bool)),  # unknown: the whole person stays
])  # fmt: skip
def test_what_lies_below_the_chin_is_left_out(landmarks: list, shown: np.ndarray) -> None:
    matte = mask_below_chin(np.full((40, 20), 255, np.uint8), landmarks)
    assert (matte == np.where(shown, 255, 0)).all()


def test_transplants_bring_fold_labels_and_their_own_matte(tmp_path: Path) -> None:
    key, matte = "a+b", np.zeros((32, 24), np.uint8)
    texts = {"donor_person": "a", "receiver_person": "b", "mask": "worn", "gender": "male", "age": ">=60"}
    columns = {name: {key: text} for name, text in texts.items()} | {"fold": {key: 2}, "age_value": {key: 60.0}}
    columns |= {"matte": {key: encode_image(matte, ".png")}} | {name: {key: 5.0} for name in FACE_LANDMARKS}
    write_set(tmp_path / "transplants", {key: np.full((32, 24, 3), 99, np.uint8)}, **columns)
    images = read_transplant_images(tmp_path / "transplants", Preprocessing(32, 24, "person", (7, 7, 7)), TASKS)
    assert (images.pixels == 7).all() and images.rows.loc[0, ["fold", "age", "age_value"]].tolist() == [2, ">=60", 60.0]
    whole = read_transplant_images(tmp_path / "transplants", Preprocessing(32, 24), [MASK])
    assert (whole.pixels == 99).all() and "age" not in whole.rows


def test_no_transplants_are_an_empty_array(tmp_path: Path) -> None:
    write_shards(tmp_path / "transplants", [], list_columns(TASKS))
    assert read_transplant_images(tmp_path / "transplants", Preprocessing(8, 6), TASKS).pixels.shape == (0, 8, 6, 3)
