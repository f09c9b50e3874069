"""Training one network: it learns, it repeats itself to the bit, and its errors say what went wrong."""

import math
from dataclasses import replace

import pytest
import torch

from tests.conftest import PROJECT
from tests.drawn_people import recipe
from visage.learning.losses import build_targets
from visage.learning.optim import EMA, BestCheckpoint, warmup_cosine
from visage.learning.training import (
    TrainingData,
    evaluate,
    fit,
    frozen_features,
    predict_class_logits,
    predict_codes,
)
from visage.networks.network import Head, Network, build_network
from visage.networks.recipe import TrainParams, load_recipe
from visage.networks.tensors import autocast, gather, to_float

CLASSES = Head("mask", ("worn", "incorrect", "not worn"))
YEARS = Head("age", ("young", "old"), tuple(float(year) for year in range(10, 71, 2)), (40.0,))
COUNT = 16


HEADS = [CLASSES, YEARS]


def random_data(height: int = 32, width: int = 24, count: int = COUNT, seed: int = 3) -> TrainingData:
    """Pictures of random blocks with random labels: there is no rule to learn, only pictures to memorise."""
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, 256, (count, 3, height // 8, width // 8), generator=generator, dtype=torch.uint8)
    pixels = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)
    mask, values = torch.randint(0, 3, (count,), generator=generator), torch.rand(count, generator=generator) * 40 + 20
    age = (values >= 40).long()
    targets = [build_targets(mask, values, CLASSES, 3), build_targets(age, values, YEARS, 3)]
    people = torch.arange(count) // 2
    return TrainingData(pixels, torch.arange(count), people, HEADS, [mask, age], targets)


def build(recipe: TrainParams, seed: int = 1) -> Network:
    torch.manual_seed(seed)
    network = build_network(recipe, HEADS)
    network.set_channel_stats([0.5] * 3, [0.3] * 3)
    return network


def train(
    recipe: TrainParams, data: TrainingData, seed: int = 1, **eval_rows: torch.Tensor
) -> tuple[Network, list[dict]]:
    network, rows = build(recipe, seed), torch.arange(len(data.codes[0]))
    return network, list(fit(network, data, rows, recipe, seed=seed, eval_rows=eval_rows))


def accuracy(network: Network, data: TrainingData) -> float:
    with torch.no_grad():
        outputs = network.eval()(to_float(gather(data.pixels, data.picture_indices)))
    pairs = zip(predict_codes(HEADS, outputs), data.codes, strict=True)
    return sum((predicted == codes).float().mean().item() for predicted, codes in pairs) / 2


@pytest.mark.parametrize(("family", "lr", "epochs"), [
    ("cnn", 0.001, 40), ("mlp", 0.002, 15), ("resnet18", 0.0005, 10), ("alexnet", 0.0003, 26),
    ("mobilenet_v3_small", 0.001, 20), ("efficientnet_b0", 0.003, 32),
    ("convnext_tiny", 0.001, 7), ("vit_b_16", 0.0001, 6),
])  # fmt: skip
def test_every_family_memorises_sixteen_pictures(family: str, lr: float, epochs: int) -> None:
    side = 32 if family in ("cnn", "mlp", "vit_b_16") else 64
    data = random_data(side, side)
    network, rows = train(recipe(backbone=family, lr=lr, epochs=epochs, height=side, width=side), data)
    assert rows[-1]["macro_f1"] == 1 and accuracy(network, data) == 1


@pytest.mark.parametrize("member", ["resnet50", "efficientnet_b0", "vit_b_16", "convnext_tiny"])
def test_members_for_a_gpu_take_a_step_on_a_processor_too(member: str) -> None:
    changes = {"weights": "none", "height": 64, "width": 64, "batch": 4, "epochs": 1, "eval_every": 0}
    member_recipe, data = (
        load_recipe("mask", member, PROJECT / "params.yaml").replace(**changes),
        random_data(64, 64, 4),
    )
    before = next(build(member_recipe).backbone.parameters())
    network, rows = train(member_recipe, data)
    assert [math.isfinite(row["loss"]) for row in rows] == [True]
    assert not torch.equal(before, next(network.backbone.parameters()))  # the gradient reached the first layer


@pytest.mark.parametrize("kind", [
    {"smoothing": 0.1}, {"focal": 2.0}, {"class_weights": "balanced"}, {"class_weights": "effective"},
    {"f1_weight": 0.5}, {"sampling": "balanced"}, {"sampling": "people"}, {"agreement": 0.5}, {"ema": 0.9},
    {"optimizer": "sgd", "lr": 0.05}, {"clip": 1.0},
])  # fmt: skip
def test_every_loss_and_schedule_memorises_sixteen_pictures(kind: dict) -> None:
    data = random_data()
    network, _ = train(recipe(**({"lr": 0.001, "epochs": 40} | kind)), data)
    assert accuracy(network, data) == 1


def test_a_processor_counts_in_32_bits_whatever_the_recipe_says() -> None:
    with autocast(torch.device("cpu"), "bfloat16"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_two_runs_give_identical_weights_and_another_seed_does_not() -> None:
    changed = recipe(
        epochs=2, batch=8, dropout=0.3, flip=0.5, rotate=10.0, noise=0.1, mix_probability=1.0, mixup=0.4, ema=0.9
    )
    first, second, other = (train(changed, random_data(), seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["heads.0.1.weight"], other["heads.0.1.weight"])


def test_scoring_held_out_people_does_not_change_the_weights() -> None:
    changed = recipe(epochs=3, batch=8, dropout=0.3)
    unscored, _ = train(changed, random_data())
    scored, curve = train(changed.replace(eval_every=2), random_data(), held_out=torch.arange(5))
    pairs = zip(unscored.state_dict().values(), scored.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert [row["epoch"] for row in curve if row["split"] == "held_out"] == [2, 3]


def test_agreement_is_asked_of_heads_about_the_person_alone() -> None:
    data = random_data()
    by_photo, by_person = torch.arange(COUNT) % 3, (torch.arange(COUNT) // 2) % 3
    data = replace(data, heads=[CLASSES], targets=data.targets[:1])

    def weights(codes: torch.Tensor, agreement: float) -> torch.Tensor:
        torch.manual_seed(1)
        network, changed = build_network(recipe(), [CLASSES]), recipe(agreement=agreement, sampling="people")
        list(fit(network, replace(data, codes=[codes]), torch.arange(COUNT), changed, seed=1))
        return network.heads[0][1].weight

    assert torch.equal(weights(by_photo, 0.0), weights(by_photo, 5.0))
    assert not torch.equal(weights(by_person, 0.0), weights(by_person, 5.0))


@pytest.mark.parametrize("lr", [1e6, 30.0])
def test_a_loss_that_explodes_is_an_error_with_epoch_and_rate(lr: float) -> None:
    with pytest.raises(ValueError, match=r"the loss is .* after epoch \d at learning rate .*; lower train\.lr"):
        train(recipe(optimizer="sgd", lr=lr, epochs=9, backbone="mlp"), random_data())


def test_early_stopping_keeps_the_best_epoch_of_the_inner_people() -> None:
    early = recipe(epochs=40, early_stop="loss", patience=4, lr=0.003)
    data, rows = random_data(count=24), torch.arange(16, 24)
    network, curve = train(early, data, inner=rows)
    inner = [row["loss"] for row in curve if row["split"] == "inner"]
    best = inner.index(min(inner))
    assert len(inner) == best + 1 + 4 < 40
    logits = predict_class_logits(network, data, rows, early)
    assert evaluate(logits, [codes[rows] for codes in data.codes])[0] == pytest.approx(inner[best], rel=1e-6)


def test_training_ends_in_the_moving_average_of_the_weights() -> None:
    data, changed = random_data(), recipe(epochs=3, batch=COUNT)  # one step per epoch
    network = build(changed)
    averages = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    for step, _ in enumerate(fit(network, data, torch.arange(COUNT), changed, seed=1), start=1):
        for name, weight in network.named_parameters():
            averages[name].lerp_(weight.detach(), 1 - min(0.9, step / (step + 9)))
    averaged, _ = train(changed.replace(ema=0.9), data)
    for name, weight in averaged.named_parameters():
        torch.testing.assert_close(weight.detach(), averages[name])
    assert not torch.allclose(averaged.heads[0][-1].weight, network.heads[0][-1].weight)  # the last step's


def test_frozen_features_learn_what_the_whole_frozen_network_would() -> None:
    data, frozen = random_data(), recipe(unfreeze="head", epochs=3, batch=8)
    features = frozen_features(build(frozen), data.pixels, frozen)
    whole, _ = train(frozen, data)
    quick, _ = train(frozen, replace(data, features=features))
    for a, b in zip(whole.state_dict().values(), quick.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


def test_the_scale_of_frozen_features_does_not_matter() -> None:
    network = build_network(recipe(unfreeze="head"), HEADS).train()
    features = torch.rand(64, network.heads[0][-1].in_features)
    scaled = 1000 * features + 7
    for a, b in zip(network.apply_heads(features), network.apply_heads(scaled), strict=True):
        torch.testing.assert_close(a, b, atol=1e-2, rtol=1e-2)
    whole = build_network(recipe(), HEADS).train()
    assert not torch.allclose(whole.apply_heads(features)[0], whole.apply_heads(scaled)[0], atol=1e-2)


def test_the_rate_rises_then_falls_along_a_cosine() -> None:
    rates = [warmup_cosine(step, 100, 0.1) for step in range(100)]
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert max(rates) == 1 and rates[55] == pytest.approx(0.505) and rates[-1] < 0.02


def test_the_moving_average_follows_slowly_and_ends_in_the_network() -> None:
    network = build_network(recipe(), [CLASSES])
    ema = EMA(network, 0.5)
    before = ema.network.heads[0][1].bias.clone()
    with torch.no_grad():
        network.heads[0][1].bias += 1
    ema.update()  # the first step keeps only a tenth of the old
    torch.testing.assert_close(ema.network.heads[0][1].bias, before + 0.9)
    for _ in range(20):
        ema.update()
    torch.testing.assert_close(ema.network.heads[0][1].bias, before + 1, atol=1e-4, rtol=0)


def test_the_best_epoch_is_the_first_of_equals() -> None:
    best, network = BestCheckpoint("macro_f1"), build_network(recipe(), [CLASSES])
    assert [best.update(network, math.inf, f1) for f1 in (0.5, 0.4, 0.6, 0.6)] == [True, False, True, False]
