"""Networks before any training: their ONNX files keep the contracts of the packages that will run them."""

import numpy as np
import onnxruntime
import pytest
import torch

from common.weights import load_weights, save_weights
from detector.network import Detector, PackageOutputs, build_anchors, export_detector
from matting.network import SIDE, Matting, export_matting, normalise
from visage.faces.retina import STRIDES


def open_session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(1)
    return Detector(width=8).eval()


@pytest.fixture(scope="module")
def detector_session(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "detector.onnx"
    export_detector(detector, path)
    return open_session(path)


@pytest.fixture(scope="module")
def matting_session(tmp_path_factory):
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("onnx") / "matting.onnx"
    export_matting(Matting(), path)
    return open_session(path)


def test_the_detector_has_the_nine_outputs_of_the_package(detector_session):
    parts = ("cls_prob", "bbox_pred", "landmark_pred")
    wanted = [f"{part}_stride{stride}" for stride in STRIDES for part in parts]
    assert [output.name for output in detector_session.get_outputs()] == wanted


@pytest.mark.parametrize("shape", [(1, 64, 96), (2, 33, 95)])
def test_the_exported_detector_takes_any_batch_and_size_and_answers_as_in_torch(detector, detector_session, shape):
    images = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(np.float32)
    with torch.no_grad():
        wanted = PackageOutputs(detector)(torch.from_numpy(images))
    outputs = detector_session.run(None, {"input": images})
    for output, tensor in zip(outputs, wanted, strict=True):
        assert output == pytest.approx(tensor.numpy(), abs=1e-4)


def test_scores_are_those_of_no_face_then_of_a_face_and_an_untrained_detector_sees_none(detector_session):
    [scores, *_] = detector_session.run(None, {"input": np.full((1, 64, 64, 3), 90, np.float32)})
    assert scores[..., :2] + scores[..., 2:] == pytest.approx(np.ones((1, 2, 2, 2)), abs=1e-6)
    assert scores[..., 2:].max() < 0.5


@pytest.mark.parametrize("size", [(64, 64), (33, 95)])
def test_there_is_an_anchor_for_every_answer(detector, size):
    with torch.no_grad():
        outputs = detector(torch.zeros(1, *size, 3))
    assert len(build_anchors(*size)) == sum(logits.numel() for logits, _, _ in outputs)


def test_anchors_are_centred_in_their_cells_the_coarsest_stride_first():
    anchors = build_anchors(64, 64)
    assert anchors[0].tolist() == [7.5, 7.5, 512]
    assert anchors[1].tolist() == [7.5, 7.5, 256]
    assert anchors[2].tolist() == [39.5, 7.5, 512]
    assert anchors[-1].tolist() == [63.5, 63.5, 16]


def test_mattes_of_the_exported_network_reach_from_0_to_1(matting_session):
    for value in (-2.0, 2.0):
        [alpha] = matting_session.run(None, {"input": np.full((2, 3, SIDE, SIDE), value, np.float32)})
        assert alpha.shape == (2, 1, SIDE, SIDE)
        assert (alpha.min(), alpha.max()) == (0, 1)


def test_images_are_normalised_by_channel():
    [pixel] = normalise(torch.tensor([[[[255.0, 0.0, 127.5]]]])).flatten(1)
    assert pixel.tolist() == pytest.approx([(1 - 0.485) / 0.229, -0.456 / 0.224, (0.5 - 0.406) / 0.225])


def test_weights_come_back_as_they_were_saved(detector, tmp_path):
    save_weights(detector, tmp_path / "models/detector.pt")
    loaded = load_weights(Detector(width=8), tmp_path / "models/detector.pt")
    for name, weight in detector.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight)
