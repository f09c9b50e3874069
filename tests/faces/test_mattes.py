import numpy as np
import pytest
from PIL import Image

from visage.faces.mattes import MattingModel
from visage.formats.shards import decode_image, encode_image
from visage.practice.people import sample_population
from visage.practice.portraits import draw_portrait


@pytest.fixture(scope="module")
def model() -> MattingModel:
    return MattingModel("bundled")


def portraits(count):
    rng = np.random.default_rng(3)
    return [draw_portrait(person, "mask2", rng) for person in sample_population(11, count)]


def test_the_bundled_network_tells_person_from_background(model):
    for portrait in portraits(6):
        matte, true = model.matte(portrait.image) > 127, portrait.alpha > 127
        assert matte.shape == true.shape
        assert (matte & true).sum() / (matte | true).sum() > 0.9


def test_our_steps_around_the_network_give_the_mattes_of_rembg(model):
    for portrait in portraits(4):
        ours = model.matte(portrait.image)
        theirs = np.asarray(model.session.predict(Image.fromarray(portrait.image))[0])
        assert np.abs(ours.astype(int) - theirs).mean() < 2
        assert ((ours > 127) == (theirs > 127)).mean() > 0.995


def test_a_picture_of_one_colour_has_a_matte(model):
    for shade in (0, 255):
        assert model.matte(np.full((40, 30, 3), shade, np.uint8)).shape == (40, 30)


def test_a_matte_survives_its_file(model):
    matte = model.matte(portraits(1)[0].image)
    assert np.array_equal(decode_image(encode_image(matte, ".png")), matte)


def test_an_unknown_model_is_reported_with_the_nearest():
    with pytest.raises(ValueError, match="cut_out.model is 'u2nett'. Did you mean 'u2net"):
        MattingModel("u2nett")


@pytest.mark.real
def test_our_steps_agree_with_rembg_on_its_own_network(shared):
    model = MattingModel(str(shared / "weights/u2net/u2netp.onnx"))
    photo = sorted((shared / "data/faces300/train/images").glob("*/normal.*"))[0]
    image = np.asarray(Image.open(photo).convert("RGB"))
    theirs = np.asarray(model.session.predict(Image.fromarray(image))[0])
    assert np.abs(model.matte(image).astype(int) - theirs).mean() < 4
