"""The networks in git: the card and the scores describe these files, which fit the libraries they are made for."""

import hashlib
import json

import numpy as np
import onnx
import pytest

from tests.conftest import PROJECT
from visage.faces.choice import choose_face
from visage.faces.detectors import DetectParams, open_detector
from visage.faces.matching import iou_matrix
from visage.faces.sessions import open_onnx
from visage.formats.columns import SHOTS
from visage.formats.photos import IMAGENET_MEAN, IMAGENET_STD
from visage.practice.people import sample_population
from visage.practice.portraits import Portrait, draw_portrait

HOME = PROJECT / "models/bundled"
MAX_BYTES = {"detector.onnx": 2.5e6, "matting.onnx": 3e6}
OUTPUTS = [f"{part}_stride{stride}" for stride in (32, 16, 8) for part in ("cls_prob", "bbox_pred", "landmark_pred")]


@pytest.fixture(scope="module")
def people() -> list[Portrait]:
    """Portraits of people that no training and no practice set has drawn."""
    return [
        draw_portrait(person, SHOTS[i % 7], np.random.default_rng([31, i]))
        for i, person in enumerate(sample_population(31, 14))
    ]


@pytest.mark.parametrize("name", MAX_BYTES)
def test_the_card_names_the_file_that_is_there_and_it_is_small(name):
    data = (HOME / name).read_bytes()
    assert len(data) <= MAX_BYTES[name]
    assert hashlib.sha256(data).hexdigest() in (HOME / "README.md").read_text()


def test_the_scores_belong_to_these_files_and_stand_on_the_card():
    scores, card = json.loads((HOME / "scores.json").read_text()), (HOME / "README.md").read_text()
    for name, digest in scores["sha256"].items():
        assert hashlib.sha256((HOME / name).read_bytes()).hexdigest() == digest
    large, mattes = scores["scenes"][">=32"], scores["mattes"]
    for score in (large["ap"], large["recall"], large["precision"], mattes["whole"], mattes["face"]):
        assert f"{score:.3f}" in card


def test_the_detector_has_the_nine_outputs_of_the_package_for_any_batch_and_size():
    network = open_onnx(HOME / "detector.onnx")
    [photos] = network.get_inputs()
    assert (photos.name, photos.type, photos.shape[3]) == ("input", "tensor(float)", 3)
    assert [tensor.name for tensor in network.get_outputs()] == OUTPUTS
    for batch, height, width in ((1, 512, 384), (3, 301, 400), (2, 33, 95)):
        outputs = network.run(None, {"input": np.zeros((batch, height, width, 3), np.float32)})
        for number, output in enumerate(outputs):
            stride, depth = (32, 16, 8)[number // 3], (4, 8, 20)[number % 3]
            assert output.shape == (batch, -(-height // stride), -(-width // stride), depth)


def test_the_detectors_two_scores_of_an_anchor_add_up_to_one():
    [scores, *_] = open_onnx(HOME / "detector.onnx").run(None, {"input": np.full((1, 64, 64, 3), 90, np.float32)})
    assert scores[..., :2] + scores[..., 2:] == pytest.approx(np.ones((1, 2, 2, 2)), abs=1e-6)


@pytest.mark.parametrize("side", [0, 256])
def test_the_detector_finds_drawn_people_and_their_landmarks(people, side):
    detector = open_detector(DetectParams(
        detector="bundled", weights=str(HOME / "detector.onnx"), side=side, upscale=False, threshold=0.5, batch=4,
        choose="largest",
    ))  # fmt: skip
    hits = 0
    for portrait, faces in zip(people, detector.detect([portrait.image for portrait in people]), strict=True):
        face = choose_face(faces, portrait.image.shape, "largest")
        if face is not None:
            iou = iou_matrix(faces.boxes[face, None], np.array([portrait.box]))[0, 0]
            landmark_error = np.linalg.norm(faces.landmarks[face] - portrait.landmarks, axis=1).mean()
            width = portrait.box[2] - portrait.box[0]
            hits += iou > 0.5 and landmark_error < width / (8 if side else 4)
    assert hits >= len(people) - 1


def test_mattes_reach_from_0_to_1_so_that_rembg_leaves_them_as_they_are():
    network = open_onnx(HOME / "matting.onnx")
    [pixels] = network.get_inputs()
    assert pixels.shape[1:] == [3, 320, 320]
    for value in (-2.0, 0.0, 2.0):  # no person, and yet rembg has nothing to stretch
        [alpha] = network.run(None, {pixels.name: np.full((2, 3, 320, 320), value, np.float32)})
        assert alpha.shape == (2, 1, 320, 320)
        assert (alpha.min(), alpha.max()) == (0, 1)


def test_mattes_cover_drawn_people(people):
    network = open_onnx(HOME / "matting.onnx")
    ious = []
    for portrait in people[:7]:
        rows, columns = (np.arange(320) * side // 320 for side in portrait.alpha.shape)
        image, true = portrait.image[rows][:, columns], portrait.alpha[rows][:, columns] > 127
        pixels = ((image / 255 - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1)[None].astype(np.float32)
        matte = network.run(None, {network.get_inputs()[0].name: pixels})[0][0, 0] > 0.5
        ious.append((matte & true).sum() / (matte | true).sum())
    assert np.mean(ious) > 0.93


@pytest.mark.parametrize("name", MAX_BYTES)
def test_the_graphs_are_valid_and_hold_no_path_of_the_machine_they_were_made_on(name):
    graph = onnx.load(HOME / name)
    onnx.checker.check_model(graph)
    assert not any(node.doc_string for node in graph.graph.node)
