"""Networks as ONNX answer as they do in PyTorch, in every kind of recipe."""

import numpy as np
import pytest
import torch

from tests.drawn_people import AGE, GENDER, MASK, recipe
from tests.serving.tiny_bundle import sharpen
from visage.bundling import assembly, build
from visage.bundling.build import Source, export_sources, list_sources, used_exponents
from visage.bundling.export import CannotBundle, export_error, export_network
from visage.bundling.precision import convert
from visage.networks.checkpoints import CheckpointCard, encode_checkpoint
from visage.networks.network import Head, build_network
from visage.serving.card import read_card

JOINT = (Head("mask", MASK.classes), Head("gender", GENDER.classes))
YEARS = (Head("age", AGE.classes, tuple(np.arange(10.0, 80.0)), AGE.bins),)


def make_network(heads, **changes):
    torch.manual_seed(0)
    card = CheckpointCard(heads, recipe(**changes), "", 0)
    return sharpen(build_network(card.recipe, heads)).eval(), card


def draw_pixels(card, count=5):
    return np.random.default_rng(0).integers(0, 256, (count, card.recipe.height, card.recipe.width, 3), np.uint8)


@pytest.mark.parametrize("tta", ["none", "flip", "flip+crops"])
@pytest.mark.parametrize("heads", [JOINT, YEARS])
def test_probabilities_are_pytorchs_with_all_views(heads, tta):
    network, card = make_network(heads)
    assert export_error(export_network(network, card, tta), network, card, draw_pixels(card), tta) < 1e-5


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": "mlp", "height": 35, "width": 27},  # pools to a size that does not divide the picture's
        {"backbone": "cnn", "hidden": (8,), "unfreeze": "head"},
        {"backbone": "mobilenet_v3_small"},
    ],
)
def test_other_backbones_answer_the_same_too(changes):
    network, card = make_network(YEARS, **changes)
    assert export_error(export_network(network, card, "flip"), network, card, draw_pixels(card), "flip") < 1e-5


def test_the_expected_number_is_the_mean_over_the_distribution():
    from visage.faces.sessions import session_options

    network, card = make_network(YEARS)
    pixels = draw_pixels(card).transpose(0, 3, 1, 2).copy()
    from onnxruntime import InferenceSession

    [years] = InferenceSession(export_network(network, card, "none"), session_options()).run(
        ["age.value"], {"pictures": pixels}
    )
    with torch.no_grad():
        shares = network(torch.from_numpy(pixels).float() / 255)[0].softmax(1).numpy()
    assert years == pytest.approx(shares @ np.arange(10.0, 80.0), abs=1e-3)


def test_the_same_network_is_the_same_file():
    network, card = make_network(JOINT)
    assert export_network(network, card, "flip") == export_network(network, card, "flip")


@pytest.mark.parametrize(("precision", "share", "error"), [("float16", 0.6, 0.02), ("int8", 0.4, 0.5)])
def test_fewer_bits_make_a_smaller_file_that_still_answers(precision, share, error):
    network, card = make_network(JOINT)
    pixels, whole = draw_pixels(card, 32), export_network(network, card, "flip")
    small = convert(whole, pixels, precision)
    assert len(small) < share * len(whole)
    assert export_error(small, network, card, pixels, "flip") < error


def test_a_network_that_answers_otherwise_than_pytorch_is_refused(tmp_path, monkeypatch):
    network, card = make_network(JOINT)
    (tmp_path / "a.safetensors").write_bytes(encode_checkpoint(network, card))
    other, _ = make_network(JOINT, backbone="mlp")
    monkeypatch.setattr(build, "export_network", lambda network, card, tta: export_network(other, card, tta))
    pictures = {card.recipe.preprocessing: draw_pixels(card)}
    with pytest.raises(ValueError, match=r"a.safetensors: as ONNX its probabilities differ by .* not written"):
        list(
            export_sources(
                [Source(tmp_path / "a.safetensors", "m", card, "", ("mask", "gender"))], pictures, "flip", "float32"
            )
        )


def test_a_joint_network_is_exported_once_and_members_without_a_weight_never(tmp_path):
    for task in ("mask", "gender"):
        for member, fold_count in (("wide", 2), ("idle", 1)):
            for fold in range(fold_count):
                network, card = make_network(JOINT)
                card = CheckpointCard(card.heads, card.recipe, "", fold)
                path = tmp_path / f"{task}-{member}/fold{fold}.safetensors"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(encode_checkpoint(network, card))
    fitted = {task: {"exponents": {"idle": 0.0, "wide": 1.5}} for task in ("mask", "gender")}
    sources = list_sources(tmp_path, fitted, "all")
    assert [source.name for source in sources] == ["mask-gender-wide-fold0", "mask-gender-wide-fold1"]
    assert [s.card.fold for s in list_sources(tmp_path, fitted, "one_fold")] == [0]
    fitted["mask"]["exponents"] = {"idle": 1.0, "wide": 0.0}
    by_task = [(source.name, source.tasks) for source in list_sources(tmp_path, fitted, "one_fold")]
    assert by_task == [("mask-idle-fold0", ("mask",)), ("gender-wide-fold0", ("gender",))]
    fitted["mask"]["exponents"] = {"idle": 0.0, "wide": 1.5}
    assert used_exponents(fitted) == {"mask": {"wide": 1.5}, "gender": {"wide": 1.5}}


def test_where_nothing_was_learnt_all_members_are_kept():
    fitted = {"mask": {"exponents": {"a": 0.0, "b": 0.0}}}
    assert used_exponents(fitted) == {"mask": {"a": 0.0, "b": 0.0}}


def test_where_a_part_cannot_be_bundled_the_card_says_why_and_the_run_goes_on(tmp_path, monkeypatch):
    def give_up_halfway(folder, *_):
        (folder / "networks").mkdir()
        raise CannotBundle("detect.detector is mtcnn.")

    monkeypatch.setattr(assembly, "make_bundle", give_up_halfway)
    assert "There is no bundle: detect.detector is mtcnn." in assembly.make_bundle_or_reason(tmp_path, *[None] * 4)
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]
    with pytest.raises(ValueError, match="holds no networks: detect.detector is mtcnn"):
        read_card(tmp_path)
