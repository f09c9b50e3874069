"""Losses, held against torch's own and against pen and paper."""

import pytest
import torch
from torch.nn import functional as F

from tests.drawn_people import recipe
from visage.learning.losses import build_targets, class_loss, class_weights, disagreement, head_loss, soft_macro_f1
from visage.networks.network import Head
from visage.scores import macro_f1

LOGITS = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
CODES = torch.arange(50) % 3
TARGETS = F.one_hot(CODES, 3).float()
EVEN = torch.ones(3)
YEARS = Head("age", ("<30", "30-59", ">=60"), tuple(float(year) for year in range(10, 71)), (30.0, 60.0))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_plain_loss_is_cross_entropy_with_label_smoothing(smoothing: float) -> None:
    ours = class_loss(LOGITS, TARGETS, EVEN, recipe(smoothing=smoothing))
    torch.testing.assert_close(ours, F.cross_entropy(LOGITS, CODES, label_smoothing=smoothing))


def test_class_weights_weigh_as_in_torch() -> None:
    weights = torch.tensor([0.5, 1.0, 3.0])
    ours = class_loss(LOGITS, TARGETS, weights, recipe())
    torch.testing.assert_close(ours, F.cross_entropy(LOGITS, CODES, weight=weights))


def test_focal_loss_fades_by_one_minus_p_to_the_gamma() -> None:
    right = LOGITS.softmax(1)[torch.arange(50), CODES]
    ours = class_loss(LOGITS, TARGETS, EVEN, recipe(focal=2.0))
    torch.testing.assert_close(ours, (-((1 - right) ** 2) * right.log()).mean())


def test_soft_f1_of_sure_answers_is_their_f1() -> None:
    guess = LOGITS.argmax(1)
    soft = soft_macro_f1(F.one_hot(guess, 3).float(), TARGETS)
    assert soft.item() == pytest.approx(macro_f1(CODES.numpy(), guess.numpy()))


def test_f1_is_mixed_in_by_its_weight() -> None:
    plain, only = class_loss(LOGITS, TARGETS, EVEN, recipe()), class_loss(LOGITS, TARGETS, EVEN, recipe(f1_weight=1.0))
    torch.testing.assert_close(class_loss(LOGITS, TARGETS, EVEN, recipe(f1_weight=0.25)), 0.75 * plain + 0.25 * only)


def test_a_picture_of_unknown_class_teaches_nothing() -> None:
    codes = CODES.clone()
    codes[::2] = -1
    targets = build_targets(codes, torch.full((50,), float("nan")), YEARS, 3.0)
    every_term = recipe(smoothing=0.1, focal=1.0, f1_weight=0.5)
    years, logits = torch.randn(50, 61).requires_grad_(), torch.randn(50, 3).requires_grad_()
    head_loss(years, targets, YEARS, EVEN, every_term).backward()
    class_loss(logits, targets.classes, EVEN, every_term).backward()
    for gradient in (years.grad.abs().sum(1), logits.grad.abs().sum(1)):
        assert (gradient[::2] == 0).all() and (gradient[1::2] > 0).all()


def test_photos_disagree_as_far_as_they_are_from_their_persons_mean() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    mean = probabilities[:2].mean(0)
    divergences = [(row * (row / mean).log()).sum() for row in probabilities[:2]]
    expected = sum(divergences) / 3  # the third is a person's only photo
    torch.testing.assert_close(disagreement(probabilities.log(), torch.tensor([4, 4, 9])), expected)


def test_balanced_weights_make_every_class_count_alike() -> None:
    codes = torch.tensor([0] * 90 + [1] * 9 + [2])
    weights = class_weights(codes, 3, "balanced")
    torch.testing.assert_close(weights * torch.tensor([90.0, 9.0, 1.0]), torch.full((3,), 100 / 3))


def test_effective_weights_lie_between_none_and_balanced() -> None:
    codes = torch.tensor([0] * 3000 + [1] * 30)
    ratios = [(w[1] / w[0]).item() for w in (class_weights(codes, 2, k) for k in ("none", "effective", "balanced"))]
    assert ratios[0] == 1 < ratios[1] < ratios[2] == pytest.approx(100)
    assert class_weights(codes, 3, "balanced")[2] == 0


def test_a_class_is_as_likely_as_all_years_in_its_bin() -> None:
    outputs = torch.randn(7, 61)
    years = outputs.softmax(1)
    expected = torch.stack([years[:, :20].sum(1), years[:, 20:50].sum(1), years[:, 50:].sum(1)], 1)
    torch.testing.assert_close(YEARS.class_logits(outputs).softmax(1), expected)


def test_a_true_age_is_a_bell_curve_over_the_years() -> None:
    cells = build_targets(torch.tensor([1]), torch.tensor([40.0]), YEARS, 3.0).cells[0]
    assert cells.sum().item() == pytest.approx(1) and cells.argmax().item() == 30
    assert (cells[33] / cells[30]).item() == pytest.approx(2.718281828**-0.5, rel=1e-4)


def test_mixed_pictures_have_mixed_targets() -> None:
    targets = build_targets(torch.tensor([0, 2]), torch.tensor([20.0, 65.0]), YEARS, 3.0)
    mixed = targets.mix(torch.tensor([1, 0]), torch.tensor([0.75, 1.0]))
    assert mixed.classes.tolist() == [[0.75, 0, 0.25], [0, 0, 1]]
    torch.testing.assert_close(mixed.cells[0], 0.75 * targets.cells[0] + 0.25 * targets.cells[1])
