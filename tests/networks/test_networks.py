"""Networks of every family: their outputs, where gradients flow, which weights they take, what a checkpoint carries."""

import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tests.drawn_people import recipe
from visage.networks.backbones import build_backbone, list_blocks
from visage.networks.checkpoints import CheckpointCard, encode_checkpoint, read_card, read_checkpoint, write_checkpoints
from visage.networks.network import Head, build_network
from visage.networks.pretrained import weights_digest

HEADS = (Head("mask", ("worn", "incorrect", "not worn")), Head("age", ("young", "old"), (10.0, 20.0, 30.0), (25.0,)))
FAMILIES = ["cnn", "mlp", "alexnet", "resnet18", "resnet50", "mobilenet_v3_small", "efficientnet_b0", "densenet121"]
FAMILIES += ["convnext_tiny", "vit_b_16", "swin_t", "regnet_y_400mf", "squeezenet1_1", "googlenet"]
SMALL = {"height": 64, "width": 64}


@pytest.mark.parametrize("family", ["cnn", "mlp", "alexnet", "resnet18", "mobilenet_v3_small", "vit_b_16"])
def test_every_family_gives_one_output_per_head(family: str) -> None:
    network = build_network(recipe(backbone=family, hidden=(20,), dropout=0.5, **SMALL), HEADS).eval()
    with torch.no_grad():
        assert [tuple(output.shape) for output in network(torch.rand(2, 3, 64, 64))] == [(2, 3), (2, 3)]
    assert HEADS[1].class_logits(torch.zeros(2, 3)).shape == (2, 2)


@pytest.mark.parametrize(("family", "width"), [
    ("alexnet", 9216), ("mobilenet_v3_small", 576), ("efficientnet_b0", 1280), ("convnext_tiny", 768),
])  # fmt: skip
def test_features_are_read_before_the_hidden_layers_of_the_original_classifier(family: str, width: int) -> None:
    backbone, removed_layers = build_backbone(recipe(backbone=family, **SMALL))
    assert backbone.eval()(torch.rand(2, 3, 64, 64)).flatten(1).shape == (2, width)
    assert not [name for name in backbone.state_dict() if name.startswith(tuple(removed_layers))]
    rest = [name for name in backbone.state_dict() if name.startswith("classifier.")]
    assert bool(rest) == (family == "convnext_tiny")  # its last norm


@pytest.mark.parametrize("family", FAMILIES)
def test_the_blocks_hold_every_weight_once(family: str) -> None:
    backbone, _ = build_backbone(recipe(backbone=family, **SMALL))
    blocks = list(list_blocks(backbone))
    parameters = [id(weight) for block in blocks for weight in block.parameters()]
    assert len(set(parameters)) == len(parameters) and len(blocks) > 1
    rest = [name for name, weight in backbone.named_parameters() if id(weight) not in set(parameters)]
    assert all(name.split(".")[-1] in ("class_token", "pos_embedding") for name in rest)


def test_ten_last_blocks_of_resnet50_are_its_last_ten_bottlenecks() -> None:
    network = build_network(recipe(backbone="resnet50", unfreeze=10, **SMALL), HEADS)
    free = {
        name.rpartition(".conv")[0]
        for name, w in network.backbone.named_parameters()
        if w.requires_grad and ".conv" in name
    }
    assert free == {f"layer4.{i}" for i in range(3)} | {f"layer3.{i}" for i in range(6)} | {"layer2.3"}


@pytest.mark.parametrize(("unfreeze", "free"), [("all", range(6)), (99, range(6)), (2, (4, 5)), ("head", ())])
def test_gradients_flow_only_where_unfreeze_says(unfreeze: str | int, free: Sequence[int]) -> None:
    network = build_network(recipe(backbone="cnn", unfreeze=unfreeze), HEADS).train()
    sum(output.square().sum() for output in network(torch.rand(4, 3, 32, 24))).backward()
    blocks = list(list_blocks(network.backbone))
    has_gradient = [any(w.grad is not None and w.grad.any() for w in block.parameters()) for block in blocks]
    assert len(blocks) == 6 and [i for i, flag in enumerate(has_gradient) if flag] == list(free)
    assert all(weight.grad is not None for weight in network.heads.parameters())


def test_frozen_batch_norms_do_not_move() -> None:
    network = build_network(recipe(backbone="cnn", unfreeze="head"), HEADS)
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    network.train()(torch.rand(8, 3, 32, 24))
    assert all(torch.equal(value, before[name]) for name, value in network.backbone.state_dict().items())


def test_pictures_are_centred_inside_the_network() -> None:
    network = build_network(recipe(backbone="mlp"), HEADS).eval()
    pictures = torch.rand(3, 3, 32, 24)
    plain = network(pictures)[0]
    network.set_channel_stats([0.5, 0.4, 0.3], [0.2, 0.3, 0.1])
    mean, std = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1), torch.tensor([0.2, 0.3, 0.1]).view(3, 1, 1)
    torch.testing.assert_close(network(pictures * std + mean)[0], plain, atol=1e-4, rtol=1e-4)


def test_weights_of_others_load_strictly_but_for_the_head(tmp_path: Path) -> None:
    from torchvision.models import get_model

    whole = get_model("resnet18", weights=None).state_dict()
    headless = {name: value for name, value in whole.items() if not name.startswith("fc.")}
    for number, tensors in enumerate((whole, headless, {"state_dict": whole})):
        torch.save(tensors, tmp_path / f"{number}.pth")
        changed = recipe(backbone="resnet18", weights=str(tmp_path / f"{number}.pth"), **SMALL)
        assert torch.equal(
            build_network(changed, HEADS).backbone.layer4[1].conv2.weight, whole["layer4.1.conv2.weight"]
        )
    del headless["layer1.0.conv1.weight"]
    torch.save(headless | {"fcx.weight": torch.ones(1)}, tmp_path / "odd.pth")
    with pytest.raises(
        ValueError, match=r"odd\.pth does not fit .*: 2 weights .*: fcx\.weight, layer1\.0\.conv1\.weight"
    ):
        build_network(recipe(backbone="resnet18", weights=str(tmp_path / "odd.pth"), **SMALL), HEADS)


class Trap:
    def __reduce__(self) -> tuple:
        return open, (str(Path("trap-was-run")), "w")


def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.pth").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match=r"bad\.pth holds more than tensors, or is damaged"):
        build_network(recipe(backbone="resnet18", weights="bad.pth", **SMALL), HEADS)
    assert not Path("trap-was-run").exists()


def test_imagenet_weights_that_cannot_be_fetched_say_where_to_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(
        ValueError, match=r"https://.*/resnet18-\w+\.pth could not be fetched .* as models/pretrained/resnet18-\w+\.pth"
    ):
        weights_digest(recipe(backbone="resnet18", weights="imagenet"))


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"backbone": "resnet19"}, "there is no backbone 'resnet19'. Did you mean 'resnet"),
    ({"backbone": "cnn", "weights": "imagenet"}, "there are no imagenet weights for our own cnn"),
    ({"backbone": "cnn", "weights": "nowhere.pth"}, "none, imagenet, or an existing"),
    ({"backbone": "alexnet", "height": 16, "width": 16}, "alexnet cannot read pictures of 16 x 16"),
])  # fmt: skip
def test_a_recipe_that_cannot_be_built_is_an_error_in_a_sentence(changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        build_network(recipe(**changes), HEADS)


def test_a_checkpoint_carries_everything_needed_to_use_it(tmp_path: Path) -> None:
    changed = recipe(backbone="cnn", keep="face", fill=(1, 2, 3), hidden=(8,))
    network = build_network(changed, HEADS).eval()
    network.set_channel_stats([0.5, 0.4, 0.3], [0.2, 0.3, 0.1])
    card = CheckpointCard(HEADS, changed, "abc", 2)
    write_checkpoints(tmp_path / "models", [{"fold": 2, "checkpoint": encode_checkpoint(network, card), "curve": []}])
    copy, card_copy = read_checkpoint(tmp_path / "models/fold2.safetensors")
    assert card_copy == card == read_card(tmp_path / "models/fold2.safetensors")
    pictures = torch.rand(2, 3, 32, 24)
    assert all(torch.equal(a, b) for a, b in zip(network(pictures), copy(pictures), strict=True))


def test_a_task_that_a_checkpoint_does_not_answer_is_named() -> None:
    with pytest.raises(ValueError, match="answers mask, age, not gender"):
        CheckpointCard(HEADS, recipe(), "", 0).head_index("gender")


def test_training_can_start_from_a_checkpoint_of_ours(tmp_path: Path) -> None:
    network = build_network(recipe(), HEADS)
    path = tmp_path / "first.safetensors"
    path.write_bytes(encode_checkpoint(network, CheckpointCard(HEADS, recipe(), "", 0)))
    again = build_network(recipe(weights=str(path), hidden=(5,)), HEADS[:1])
    assert torch.equal(next(again.backbone.parameters()), next(network.backbone.parameters()))


def test_tensors_without_a_card_are_no_checkpoint(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="has no card"):
        read_card(tmp_path / "x.safetensors")
