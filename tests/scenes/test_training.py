"""The training loop of both networks, on a toy."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from common.training import TrainingParams, build_optimizer, fit, learning_rate, sample_batches, update_average

PARAMS = TrainingParams(seed=3, steps=30, batch=8, sizes=(2, 4), early_share=0.5, lr=0.1, weight_decay=0.0)


def make_sample(size: int, rng: np.random.Generator) -> tuple[int, float]:
    return size, rng.normal()


def test_batches_depend_on_seed_step_and_place_alone_and_grow_half_way():
    batches, again = list(sample_batches(make_sample, PARAMS)), list(sample_batches(make_sample, PARAMS))
    assert batches == again
    assert [batch[0][0] for batch in batches] == [2] * 15 + [4] * 15
    values = [value for batch in batches for _, value in batch]
    assert len(set(values)) == 30 * 8


class Line(nn.Module):
    """y = weight * x"""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return self.weight * x


def line_loss(network, batch):
    x = torch.tensor([value for _, value in batch])
    return (network(x) - 0.2 * x).square().mean()


def test_the_averaged_network_learns_a_line_and_losses_are_reported_to_the_last_step():
    reports = list(fit(Line(), make_sample, line_loss, PARAMS.replace(steps=50)))
    assert [steps for steps, _, _ in reports] == [20, 20, 10]
    assert reports[-1][1] < reports[0][1] / 4
    assert reports[-1][2].weight.item() == pytest.approx(0.2, abs=0.05)


def test_the_average_lags_behind_the_network():
    network = Line()
    [(_, _, average)] = fit(network, make_sample, line_loss, PARAMS.replace(steps=10))
    assert 0 < average.weight.item() < network.weight.item() < 0.2


def test_the_learning_rate_warms_up_and_ends_near_zero():
    params = PARAMS.replace(steps=400)
    rates = [learning_rate(step, params) for step in range(1, 401)]
    assert rates[0] == pytest.approx(0.001)
    assert 80 <= int(np.argmax(rates)) <= 110
    assert rates[-1] < 1e-5


def test_norms_and_biases_do_not_decay():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    decay, none = build_optimizer(network, PARAMS.replace(weight_decay=0.1)).param_groups
    assert (decay["weight_decay"], [weight.ndim for weight in decay["params"]]) == (0.1, [4])
    assert (none["weight_decay"], [weight.ndim for weight in none["params"]]) == (0, [1, 1, 1])


def test_the_average_moves_by_its_decay_and_copies_counters():
    network = nn.BatchNorm1d(1)
    average = copy.deepcopy(network)
    network.weight.data.fill_(3.0)
    network.num_batches_tracked.fill_(7)
    update_average(average, network, decay=0.75)
    assert average.weight.item() == 1.5
    assert average.num_batches_tracked.item() == 7
