"""Learning one network: it learns, it repeats itself to the bit, and it says when it went wrong."""

import math

import pytest
import torch

from tests.drawn_lessons import recipe
from visage.learning.losses import build_targets
from visage.learning.optim import EMA, BestCheckpoint, warmup_cosine
from visage.learning.training import TrainingData, epoch_batches, fit, frozen_features
from visage.networks.network import Head, Network, build_network
from visage.networks.recipe import TrainParams
from visage.networks.tensors import autocast, gather, to_float

CLASSES = Head("mask", ("worn", "incorrect", "not worn"))
YEARS = Head("age", ("young", "old"), tuple(float(year) for year in range(10, 71, 2)), (40.0,))
COUNT = 16


def lesson(height: int = 32, width: int = 24, count: int = COUNT, seed: int = 3) -> TrainingData:
    """Pictures of random blocks with random answers: nothing to understand, they can only be learnt by heart."""
    random = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, 256, (count, 3, height // 8, width // 8), generator=random, dtype=torch.uint8)
    pixels = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)
    mask, values = torch.randint(0, 3, (count,), generator=random), torch.rand(count, generator=random) * 40 + 20
    age = (values >= 40).long()
    return TrainingData(
        pixels,
        torch.arange(count),
        [mask, age],
        [build_targets(mask, values, CLASSES, 3), build_targets(age, values, YEARS, 3)],
    )


def learnt(asked: TrainParams, some: TrainingData, seed: int = 1, **looks: torch.Tensor) -> tuple[Network, list[dict]]:
    torch.manual_seed(seed)
    network = build_network(asked, [CLASSES, YEARS])
    network.standardise([0.5] * 3, [0.3] * 3)
    rows = torch.arange(len(some.codes[0]))
    return network, list(fit(network, some, rows, [CLASSES, YEARS], asked, seed=seed, looks=looks))


def right(network: Network, some: TrainingData) -> float:
    with torch.no_grad():
        said = network.eval()(to_float(gather(some.pixels, some.pictures)))
    pairs = zip(said, [CLASSES, YEARS], some.codes, strict=True)
    return sum((head.class_logits(out).argmax(1) == codes).float().mean().item() for out, head, codes in pairs) / 2


@pytest.mark.parametrize(("family", "lr", "epochs"), [
    ("cnn", 0.001, 40), ("mlp", 0.002, 15), ("resnet18", 0.0005, 10), ("alexnet", 0.0003, 26),
    ("mobilenet_v3_small", 0.001, 20), ("efficientnet_b0", 0.003, 32),
    ("convnext_tiny", 0.001, 7), ("vit_b_16", 0.0001, 6),
])  # fmt: skip
def test_every_family_learns_sixteen_pictures_by_heart(family: str, lr: float, epochs: int) -> None:
    side = 32 if family in ("cnn", "mlp", "vit_b_16") else 64
    some = lesson(side, side)
    network, rows = learnt(recipe(backbone=family, lr=lr, epochs=epochs, height=side, width=side), some)
    assert rows[-1]["macro_f1"] == 1 and right(network, some) == 1


@pytest.mark.parametrize("kind", [
    {"smoothing": 0.1}, {"focal": 2.0}, {"class_weights": "balanced"}, {"class_weights": "effective"},
    {"f1_weight": 0.5}, {"sampling": "balanced"}, {"ema": 0.9}, {"optimizer": "sgd", "lr": 0.05}, {"clip": 1.0},
])  # fmt: skip
def test_every_loss_and_schedule_learns_sixteen_pictures_by_heart(kind: dict) -> None:
    some = lesson()
    network, _ = learnt(recipe(**({"lr": 0.001, "epochs": 40} | kind)), some)
    assert right(network, some) == 1


def test_a_processor_counts_in_32_bits_whatever_the_recipe_says() -> None:
    with autocast(torch.device("cpu"), recipe(precision="bfloat16")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_two_runs_give_identical_weights_and_another_seed_does_not() -> None:
    asked = recipe(
        epochs=2, batch=8, dropout=0.3, flip=0.5, rotate=10.0, noise=0.1, mix_probability=1.0, mixup=0.4, ema=0.9
    )
    one, two, other = (learnt(asked, lesson(), seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["heads.0.1.weight"], other["heads.0.1.weight"])


def test_looking_at_held_out_people_changes_nothing_that_is_learnt() -> None:
    asked = recipe(epochs=3, batch=8, dropout=0.3)
    blind, _ = learnt(asked, lesson())
    seeing, rows = learnt(recipe(epochs=3, batch=8, dropout=0.3, eval_every=2), lesson(), held_out=torch.arange(5))
    assert all(
        torch.equal(a, b) for a, b in zip(blind.state_dict().values(), seeing.state_dict().values(), strict=True)
    )
    assert [row["epoch"] for row in rows if row["split"] == "held_out"] == [2, 3]


@pytest.mark.parametrize("lr", [1e6, 30.0])
def test_a_loss_that_explodes_stops_with_epoch_and_rate(lr: float) -> None:
    with pytest.raises(ValueError, match=r"the loss is .* after epoch \d at learning rate .*; lower train\.lr"):
        learnt(recipe(optimizer="sgd", lr=lr, epochs=9, backbone="mlp"), lesson())


def test_early_stopping_keeps_the_best_epoch_of_the_inner_people() -> None:
    asked = recipe(epochs=40, early_stop="loss", patience=4, lr=0.003)
    some = lesson(count=24)
    network, rows = learnt(asked, some, inner=torch.arange(16, 24))
    inner = [row["loss"] for row in rows if row["split"] == "inner"]
    best = inner.index(min(inner))
    assert len(inner) == best + 1 + 4 < 40
    with torch.no_grad():
        said = network(to_float(gather(some.pixels, torch.arange(16, 24))))
    loss = sum(
        torch.nn.functional.cross_entropy(head.class_logits(out), codes[16:]).item()
        for out, head, codes in zip(said, [CLASSES, YEARS], some.codes, strict=True)
    )
    assert loss == pytest.approx(inner[best], rel=1e-3)


def test_frozen_features_learn_what_the_whole_frozen_network_would() -> None:
    some, asked = lesson(), recipe(unfreeze="head", epochs=3, batch=8)
    torch.manual_seed(1)
    network = build_network(asked, [CLASSES, YEARS])
    network.standardise([0.5] * 3, [0.3] * 3)
    seen = frozen_features(network, some.pixels, asked)
    whole, _ = learnt(asked, some)
    quick, _ = learnt(asked, TrainingData(some.pixels, some.pictures, some.codes, some.targets, seen))
    for a, b in zip(whole.state_dict().values(), quick.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


def test_the_scale_of_frozen_features_does_not_matter() -> None:
    network = build_network(recipe(unfreeze="head"), [CLASSES, YEARS]).train()
    features = torch.rand(64, network.heads[0][-1].in_features)
    for a, b in zip(network.answers(features), network.answers(1000 * features + 7), strict=True):
        torch.testing.assert_close(a, b, atol=1e-2, rtol=1e-2)
    whole = build_network(recipe(), [CLASSES, YEARS]).train()
    assert not torch.allclose(whole.answers(features)[0], whole.answers(1000 * features + 7)[0], atol=1e-2)


def test_balanced_sampling_draws_rare_classes_as_often() -> None:
    codes = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    some = TrainingData(torch.zeros(1000, 3, 1, 1, dtype=torch.uint8), torch.arange(1000), [codes], [])
    order = epoch_batches(some, torch.arange(1000), recipe(sampling="balanced"), torch.Generator().manual_seed(0))
    counts = torch.bincount(codes[order.flatten()])
    assert counts.min() > 270 and order.shape == (1000 // 16, 16)


def test_an_epoch_shows_every_picture_at_most_once_and_drops_less_than_a_batch() -> None:
    order = epoch_batches(
        lesson(count=23), torch.arange(23), recipe(batch=5), torch.Generator().manual_seed(0)
    ).flatten()
    assert len(set(order.tolist())) == len(order) == 20
    assert epoch_batches(lesson(count=3), torch.arange(3), recipe(batch=5), torch.Generator().manual_seed(0)).shape == (
        1,
        3,
    )


def test_the_rate_rises_then_falls_along_a_cosine() -> None:
    rates = [warmup_cosine(step, 100, 0.1) for step in range(100)]
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert max(rates) == 1 and rates[55] == pytest.approx(0.505) and rates[-1] < 0.02


def test_the_average_follows_slowly_and_ends_in_the_network() -> None:
    network = build_network(recipe(), [CLASSES])
    average = EMA(network, 0.5)
    before = average.network.heads[0][1].bias.clone()
    with torch.no_grad():
        network.heads[0][1].bias += 1
    average.follow()  # at the first step only a tenth of the old is kept
    torch.testing.assert_close(average.network.heads[0][1].bias, before + 0.9)
    for _ in range(20):
        average.follow()
    torch.testing.assert_close(average.network.heads[0][1].bias, before + 1, atol=1e-4, rtol=0)


def test_the_best_epoch_is_the_first_of_equals() -> None:
    best, network = BestCheckpoint("macro_f1"), build_network(recipe(), [CLASSES])
    assert [best.seen(network, math.inf, f1) for f1 in (0.5, 0.4, 0.6, 0.6)] == [True, False, True, False]
