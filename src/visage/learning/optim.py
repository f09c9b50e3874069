"""How weights move: optimiser, schedule, clipping; their moving average, and the best epoch so far."""

import copy
import math

import torch
from torch import Tensor, nn

from visage.networks.network import Network
from visage.networks.recipe import TrainParams

FINAL_LR_SHARE = 0.01  # the cosine ends at this share of the learning rate


class OptimizerStep:
    """Optimiser, warm-up + cosine, clipping, and the scaling that float16 needs."""

    def __init__(self, network: Network, recipe: TrainParams, steps: int) -> None:
        self.network = torch.compile(network) if recipe.compile else network
        self.recipe, self.weights = recipe, [weight for weight in network.parameters() if weight.requires_grad]
        self.optimizer = build_optimizer(network, recipe)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: warmup_cosine(step, steps, recipe.warmup)
        )
        device = self.weights[0].device.type
        self.scaler = torch.amp.GradScaler(device, enabled=recipe.precision == "float16" and device == "cuda")

    @property
    def rate(self) -> float:
        return self.optimizer.param_groups[-1]["lr"]

    def step(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.recipe.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.weights, self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """The share of the learning rate at a step: straight up, then down a half cosine."""
    rise = warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    return FINAL_LR_SHARE + (1 - FINAL_LR_SHARE) * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2


def build_optimizer(network: Network, recipe: TrainParams) -> torch.optim.Optimizer:
    """Backbone (at a share of the rate) before heads, each in two groups: weights decay, biases and norms do not."""
    groups = []
    for part, rate in ((network.backbone, recipe.lr * recipe.backbone_lr_scale), (network.heads, recipe.lr)):
        free = [weight for weight in part.parameters() if weight.requires_grad]
        for decay, some in (
            (0.0, [w for w in free if w.ndim < 2]),
            (recipe.weight_decay, [w for w in free if w.ndim > 1]),
        ):
            groups.append({"params": some, "lr": rate, "weight_decay": decay})
    groups = [group for group in groups if group["params"]]
    fused = network.mean.device.type in ("cpu", "cuda")
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=0.9, nesterov=True, fused=fused)
    return torch.optim.AdamW(groups, fused=fused)


class EMA:
    """A network whose weights slowly follow another's; at decay 0 it is that other network."""

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network) if decay else network
        self.decay, self.steps = decay, 0
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        self.slow, self.fast = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)

    @torch.no_grad()
    def follow(self) -> None:
        """A step behind the other network; the first steps are hardly worth remembering."""
        if self.decay:
            self.steps += 1
            decay = min(self.decay, self.steps / (self.steps + 9))
            torch._foreach_lerp_(self.slow, self.fast, 1 - decay)


class BestCheckpoint:
    """The best epoch so far by `loss` or `macro_f1`; `none` keeps nothing."""

    def __init__(self, measure: str) -> None:
        self.measure, self.score, self.state = measure, -math.inf, None

    def seen(self, network: Network, loss: float, f1: float) -> bool:
        """Whether this epoch is better than all before."""
        score = {"none": -math.inf, "loss": -loss, "macro_f1": f1}[self.measure]
        if better := score > self.score:
            self.score, self.state = score, copy.deepcopy(network.state_dict())
        return better
