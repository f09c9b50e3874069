"""The networks in git: what their card says is true of the files, and they keep the contracts of their libraries."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from visage.faces.detectors import DetectParams, choose_face, open_detector
from visage.faces.matching import iou_matrix
from visage.formats.columns import SHOTS
from visage.practice.people import sample_population
from visage.practice.portraits import Portrait, draw_portrait

HOME = Path(__file__).parents[2] / "models/bundled"
LARGEST = {"detector.onnx": 2.5e6, "matting.onnx": 3e6}  # bytes
NINE = [f"{part}_stride{stride}" for stride in (32, 16, 8) for part in ("cls_prob", "bbox_pred", "landmark_pred")]


@pytest.fixture(scope="module")
def people() -> list[Portrait]:
    """Portraits of people that no training and no practice set has drawn."""
    return [
        draw_portrait(one, SHOTS[i % 7], np.random.default_rng([31, i]))
        for i, one in enumerate(sample_population(31, 14))
    ]


def session(name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(HOME / name, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", LARGEST)
def test_the_card_names_the_file_that_is_there_and_it_is_small(name):
    data = (HOME / name).read_bytes()
    assert len(data) <= LARGEST[name]
    assert hashlib.sha256(data).hexdigest() in (HOME / "README.md").read_text()


def test_the_scores_were_made_with_these_files_and_the_card_tells_them():
    scores, card = json.loads((HOME / "scores.json").read_text()), (HOME / "README.md").read_text()
    for name, told in scores["sha256"].items():
        assert hashlib.sha256((HOME / name).read_bytes()).hexdigest() == told
    large = scores["scenes"][">=32"]
    for figure in (
        large["ap"],
        large["recall"],
        large["precision"],
        scores["mattes"]["whole"],
        scores["mattes"]["face"],
    ):
        assert f"{figure:.3f}" in card


def test_the_detector_has_the_nine_outputs_of_the_package_for_any_batch_and_size():
    network = session("detector.onnx")
    assert [(one.name, one.type, one.shape[3]) for one in network.get_inputs()] == [("input", "tensor(float)", 3)]
    assert [one.name for one in network.get_outputs()] == NINE
    for batch, height, width in ((1, 512, 384), (3, 301, 400), (2, 33, 95)):
        outputs = network.run(None, {"input": np.zeros((batch, height, width, 3), np.float32)})
        for number, output in enumerate(outputs):
            stride, depth = (32, 16, 8)[number // 3], (4, 8, 20)[number % 3]
            assert output.shape == (batch, -(-height // stride), -(-width // stride), depth)


def test_the_detectors_two_scores_of_an_anchor_are_shares_of_one():
    [scores, *_] = session("detector.onnx").run(None, {"input": np.full((1, 64, 64, 3), 90, np.float32)})
    assert scores[..., :2] + scores[..., 2:] == pytest.approx(np.ones((1, 2, 2, 2)), abs=1e-6)


@pytest.mark.parametrize("side", [0, 256])
def test_the_detector_finds_drawn_people_and_their_landmarks(people, side):
    detector = open_detector(DetectParams(
        detector="bundled", weights=str(HOME / "detector.onnx"), side=side, upscale=False, threshold=0.5, batch=4,
        choose="largest",
    ))  # fmt: skip
    right = []
    for portrait, faces in zip(people, detector.find([one.image for one in people]), strict=True):
        face = choose_face(faces, portrait.image.shape, "largest")
        if face is not None:
            off = np.linalg.norm(faces.landmarks[face] - portrait.landmarks, axis=1).mean()
            wide = portrait.box[2] - portrait.box[0]
            right.append(
                iou_matrix(faces.boxes[face, None], np.array([portrait.box]))[0, 0] > 0.5
                and off < wide / (8 if side else 4)
            )
    assert sum(right) >= len(people) - 1


def test_mattes_reach_from_0_to_1_so_that_rembg_leaves_them_as_they_are():
    network = session("matting.onnx")
    [given] = network.get_inputs()
    assert given.shape[1:] == [3, 320, 320]
    for value in (-2.0, 0.0, 2.0):  # nobody there, and yet nothing is stretched to a figure
        [alpha] = network.run(None, {given.name: np.full((2, 3, 320, 320), value, np.float32)})
        assert alpha.shape == (2, 1, 320, 320)
        assert (alpha.min(), alpha.max()) == (0, 1)


def test_mattes_cover_drawn_people(people):
    network = session("matting.onnx")
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    shares = []
    for portrait in people[:7]:
        rows, columns = (np.arange(320) * side // 320 for side in portrait.alpha.shape)
        image, true = portrait.image[rows][:, columns], portrait.alpha[rows][:, columns] > 127
        ready = ((image / 255 - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)
        found = network.run(None, {network.get_inputs()[0].name: ready})[0][0, 0] > 0.5
        shares.append((found & true).sum() / (found | true).sum())
    assert np.mean(shares) > 0.93


@pytest.mark.parametrize("name", LARGEST)
def test_the_graphs_are_valid_and_hold_no_path_of_the_machine_they_were_made_on(name):
    graph = onnx.load(HOME / name)
    onnx.checker.check_model(graph)
    assert not any(node.doc_string for node in graph.graph.node)
