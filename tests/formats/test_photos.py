import numpy as np
import pytest
from PIL import Image

from visage.formats import photos
from visage.formats.photos import decode_photo, is_photo, photo_path, read_photo, read_size


def half_red(size=(6, 4)):
    """Left half red, right half blue: shows which way up a photo is."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[:, : size[0] // 2, 0] = 255
    image[:, size[0] // 2 :, 2] = 255
    return Image.fromarray(image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_read_upright(tmp_path, orientation):
    upright = half_red()
    turns = {2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}  # Pillow's transposes that undo the reading
    stored = upright
    for turn in turns.get(orientation, []):
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_photo(tmp_path, "a.png"), np.asarray(upright))
    assert read_size(tmp_path, "a.png") == (6, 4)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1", "I;16", "RGB"])
def test_every_kind_of_picture_becomes_rgb_of_the_same_grey(tmp_path, mode):
    form = "tif" if mode == "CMYK" else "png"
    if mode == "I;16":
        image = Image.fromarray(np.full((4, 6), 200 * 257, np.uint16))
    elif mode == "1":
        image = Image.new("1", (6, 4), 1)
    else:
        image = Image.new("RGB", (6, 4), (200, 200, 200)).convert(mode)
    image.save(tmp_path / f"a.{form}")
    pixels = read_photo(tmp_path, f"a.{form}")
    assert pixels.shape == (4, 6, 3) and pixels.dtype == np.uint8
    grey = {"1": 255, "P": 204}.get(mode, 200)  # the web palette's nearest grey is 204
    assert np.abs(pixels.astype(int) - grey).max() <= 1


def test_what_is_transparent_shows_white(tmp_path):
    Image.new("RGBA", (2, 2), (10, 20, 30, 0)).save(tmp_path / "a.png")
    assert (read_photo(tmp_path, "a.png") == 255).all()


@pytest.mark.parametrize("key", ["../a.jpg", "/etc/a.jpg", "a/../../b.jpg", "", "a\\..\\b.jpg", "C:/a.jpg"])
def test_a_key_that_leaves_the_data_folder_is_refused(tmp_path, key):
    with pytest.raises(ValueError, match="leaves the data folder"):
        photo_path(tmp_path, key)


def test_junk_files_are_not_photos(tmp_path):
    assert is_photo(tmp_path / "normal.JPG")
    assert not is_photo(tmp_path / "._normal.jpg")
    assert not is_photo(tmp_path / "notes.txt")


def broken(path, how):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes({"truncated": data[: len(data) // 2], "empty": b"", "unreadable": b"no picture" * 9}[how])


@pytest.mark.parametrize("form", ["jpg", "png"])
@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("empty", "the file is empty (0 bytes)."),
        ("unreadable", "the file is not a picture that can be read."),
        ("truncated", "the picture is damaged or cut short"),
    ],
)
def test_a_bad_file_is_told_from_its_header_and_its_end(tmp_path, form, how, sentence):
    broken(tmp_path / f"a.{form}", how)
    with pytest.raises(ValueError) as error:
        read_size(tmp_path, f"a.{form}")
    assert sentence in str(error.value)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(photos, "MAX_PIXELS", 20)
    half_red().save(tmp_path / "a.png")
    for read in (read_size, read_photo):
        with pytest.raises(ValueError, match="6x4 pixels, more than the 20 that are allowed"):
            read(tmp_path, "a.png")


def test_a_photo_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="the file is not there"):
        read_photo(tmp_path, "a.png")


def test_bytes_after_the_end_of_a_jpeg_do_not_matter(tmp_path):
    half_red().save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes() + b"\0" * 500)
    assert read_size(tmp_path, "a.jpg") == (6, 4)


def test_bytes_decode_as_the_file_does(tmp_path):
    half_red().save(tmp_path / "a.png")
    assert np.array_equal(decode_photo((tmp_path / "a.png").read_bytes(), "a.png"), read_photo(tmp_path, "a.png"))
