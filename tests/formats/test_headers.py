import io

import numpy as np
import pytest
from PIL import Image

from visage.formats.headers import ORIENTATION, read_header

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8))


def encode(form: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    PICTURE.convert(mode).save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("JPEG", "RGB", {}), ("JPEG", "L", {}), ("JPEG", "CMYK", {}), ("JPEG", "RGB", {"progressive": True}),
        ("PNG", "RGB", {}), ("PNG", "P", {}), ("BMP", "RGB", {}), ("GIF", "P", {}), ("TIFF", "RGB", {}),
        ("WEBP", "RGB", {}), ("WEBP", "RGBA", {}), ("WEBP", "RGB", {"lossless": True}),
    ],
)  # fmt: skip
def test_every_format_says_its_size(form, mode, options):
    header = read_header(encode(form, mode, **options))
    assert (header.form, header.width, header.height) == (form, 30, 40)
    assert header.orientation == 1 and header.complete
    assert header.channels == ({"RGB": 3, "L": 1, "CMYK": 4}[mode] if form == "JPEG" else 0)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_orientation_is_read_wherever_exif_lies(form):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    assert read_header(encode(form, exif=exif)).orientation == 6


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_file_that_is_cut_short_is_not_complete(form):
    data = encode(form)
    assert not read_header(data[: len(data) - 20]).complete


def test_a_thumbnails_end_is_not_the_pictures():
    """EXIF may hold a whole small JPEG."""
    data = encode("JPEG")
    thumbnail = b"Exif\0\0" + encode("JPEG", "L")
    whole = data[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + data[2:]
    assert read_header(whole).complete and not read_header(whole[:-2]).complete


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\xd8", b"\xff\xd8\xff\xe0", b"RIFF1234WAVEfmt ", b"BM", b"II*\0"])
def test_bytes_that_are_no_picture_are_an_error(data):
    with pytest.raises(ValueError, match="not a picture that can be read"):
        read_header(data)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_any_cut_of_a_file_is_read_or_refused_in_a_sentence(form):
    data = encode(form)
    for end in range(0, len(data), 7):
        try:
            read_header(data[:end])
        except ValueError as error:
            assert "not a picture" in str(error)
