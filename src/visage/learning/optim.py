"""Optimizer, learning rate schedule, gradient clipping; the moving average of the weights, and the best epoch."""

import copy
import math

import torch
from torch import Tensor, nn

from visage.networks.network import Network
from visage.networks.recipe import TrainParams

FINAL_LR_SHARE = 0.01  # the cosine ends at this share of the learning rate


class ScheduledOptimizer:
    """Optimizer with warm-up + cosine, gradient clipping, and the loss scaling that float16 needs."""

    def __init__(self, network: Network, recipe: TrainParams, steps: int) -> None:
        self.weights = [weight for weight in network.parameters() if weight.requires_grad]
        self.clip = recipe.clip
        self.optimizer = build_optimizer(network, recipe)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: warmup_cosine(step, steps, recipe.warmup)
        )
        device = self.weights[0].device.type
        self.scaler = torch.amp.GradScaler(device, enabled=recipe.precision == "float16" and device == "cuda")

    @property
    def lr(self) -> float:
        """The learning rate of the next step, of the heads."""
        return self.optimizer.param_groups[-1]["lr"]

    def step(self, loss: Tensor) -> None:
        """Move the weights down the gradient of the loss, and the schedule by one step."""
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.weights, self.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """The share of the learning rate at a step: linear up for a share `warmup` of the steps, then a half cosine."""
    rise = warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    return FINAL_LR_SHARE + (1 - FINAL_LR_SHARE) * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2


def build_optimizer(network: Network, recipe: TrainParams) -> torch.optim.Optimizer:
    """Backbone (at a share of the rate) before heads, each in two groups: weights decay, biases and norms do not."""
    groups = []
    for part, lr in ((network.backbone, recipe.lr * recipe.backbone_lr_scale), (network.heads, recipe.lr)):
        trainable = [weight for weight in part.parameters() if weight.requires_grad]
        vectors = [weight for weight in trainable if weight.ndim < 2]
        matrices = [weight for weight in trainable if weight.ndim > 1]
        groups.append({"params": vectors, "lr": lr, "weight_decay": 0.0})
        groups.append({"params": matrices, "lr": lr, "weight_decay": recipe.weight_decay})
    groups = [group for group in groups if group["params"]]
    fused = network.mean.device.type in ("cpu", "cuda")
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=0.9, nesterov=True, fused=fused)
    return torch.optim.AdamW(groups, fused=fused)


class EMA:
    """The exponential moving average of a network's weights, as a network; at decay 0 it is that network itself."""

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network) if decay else network
        self.decay, self.steps = decay, 0
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        self.averages, self.weights = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)

    @torch.no_grad()
    def update(self) -> None:
        """Move the averages towards the weights; step n decays by at most n / (n + 9), so the start is forgotten."""
        if self.decay:
            self.steps += 1
            decay = min(self.decay, self.steps / (self.steps + 9))
            torch._foreach_lerp_(self.averages, self.weights, 1 - decay)


class BestCheckpoint:
    """The weights of the best epoch so far by `loss` or `macro_f1`; with `none` there is no best epoch."""

    def __init__(self, metric: str) -> None:
        self.metric, self.score, self.state = metric, -math.inf, None

    def update(self, network: Network, loss: float, f1: float) -> bool:
        """Whether this epoch is better than all before; if so, its weights are kept."""
        score = {"none": -math.inf, "loss": -loss, "macro_f1": f1}[self.metric]
        is_better = score > self.score
        if is_better:
            self.score, self.state = score, copy.deepcopy(network.state_dict())
        return is_better
