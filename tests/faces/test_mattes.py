import subprocess
import sys
from copy import copy

import numpy as np
import pytest
from PIL import Image

from tests.conftest import PROJECT
from visage.faces.mattes import MattingModel, open_rembg_session
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


@pytest.mark.slow  # a first import of rembg compiles for up to a minute
def test_our_steps_around_the_network_give_the_mattes_of_rembg(model):
    session, _ = open_rembg_session("bundled")
    through_rembg = copy(model)
    through_rembg.network = session.inner_session
    for portrait in portraits(4):
        ours = model.matte(portrait.image)
        theirs = np.asarray(session.predict(Image.fromarray(portrait.image))[0])
        assert np.abs(ours.astype(int) - theirs).mean() < 2
        assert ((ours > 127) == (theirs > 127)).mean() > 0.995
        assert np.array_equal(through_rembg.matte(portrait.image), ours)


def test_the_bundled_network_runs_without_rembg():
    code = "import sys, visage.faces.mattes as m; m.MattingModel('bundled'); print('rembg' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT)
    assert ran.stdout == "False\n", ran.stderr


def test_a_matting_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="gone.onnx is not there"):
        MattingModel(str(tmp_path / "gone.onnx"))


def test_a_picture_of_one_colour_has_a_matte(model):
    for shade in (0, 255):
        assert model.matte(np.full((40, 30, 3), shade, np.uint8)).shape == (40, 30)


def test_a_matte_survives_its_file(model):
    matte = model.matte(portraits(1)[0].image)
    assert np.array_equal(decode_image(encode_image(matte, ".png")), matte)


@pytest.mark.slow  # only rembg knows its names
def test_an_unknown_model_is_reported_with_the_nearest():
    with pytest.raises(ValueError, match="cut_out.model is 'u2nett'. Did you mean 'u2net"):
        MattingModel("u2nett")


@pytest.mark.real
def test_our_steps_agree_with_rembg_on_its_own_network(shared):
    model = MattingModel(str(shared / "weights/u2net/u2netp.onnx"))
    photo = sorted((shared / "data/faces300/train/images").glob("*/normal.*"))[0]
    image = np.asarray(Image.open(photo).convert("RGB"))
    session, _ = open_rembg_session(str(shared / "weights/u2net/u2netp.onnx"))
    theirs = np.asarray(session.predict(Image.fromarray(image))[0])
    assert np.abs(model.matte(image).astype(int) - theirs).mean() < 4
