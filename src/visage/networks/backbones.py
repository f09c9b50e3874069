"""Backbones: torchvision's networks without their classifier, and two small ones of ours."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from visage.networks.recipe import TrainParams
from visage.runtime.params import suggest

OWN_BACKBONES = ("cnn", "mlp")
PATCH_MULTIPLE = (
    32  # a multiple of the patch of torchvision's ViTs (16 or 32; vit_h_14 wants weights, and so its own size)
)


def build_backbone(recipe: TrainParams) -> tuple[nn.Module, list[str]]:
    """The recipe's backbone, and the names of the layers that it lost."""
    if recipe.backbone in OWN_BACKBONES:
        return (small_cnn() if recipe.backbone == "cnn" else small_mlp(recipe)), []
    return headless(recipe)


def headless(recipe: TrainParams) -> tuple[nn.Module, list[str]]:
    """A torchvision network without the layers that turn its features into a thousand classes, and their names.

    Hidden layers of a classifier (of AlexNet, VGG, MobileNetV3 ...) were made for those classes, and go with it.
    """
    from torchvision import models

    name = recipe.backbone
    if name not in models.list_models(module=models):
        raise ValueError(
            f"there is no backbone {name!r}.{suggest(name, [*models.list_models(module=models), *OWN_BACKBONES])}"
        )
    extra: dict[str, object] = (
        {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    )
    if (
        name.startswith("vit_") and recipe.weights == "none"
    ):  # given weights fix a ViT's size; without, it is the pictures'
        extra = {"image_size": -(-max(recipe.height, recipe.width) // PATCH_MULTIPLE) * PATCH_MULTIPLE}
    model = models.get_model(name, weights=None, **extra)
    last = [
        path
        for path, layer in model.named_modules()
        if getattr(layer, "out_features", getattr(layer, "out_channels", 0)) == 1000
    ][-1]
    parent, _, leaf = last.rpartition(".")
    holder, lost = model.get_submodule(parent), [leaf]
    if isinstance(holder, nn.Sequential):
        names = list(holder._modules)
        first = next(
            place for place, layer in enumerate(holder) if isinstance(layer, nn.Dropout | nn.Linear | nn.Conv2d)
        )
        lost = names[first : names.index(leaf) + 1]
    for name in lost:
        setattr(holder, name, nn.Identity())
    for layer in model.modules():
        if isinstance(layer, nn.Dropout) and layer.p:  # Inception and others bring some: it is the recipe's to say
            layer.p = recipe.dropout
    if recipe.weights == "none" and not any("norm" in type(layer).__name__.lower() for layer in model.modules()):
        model.apply(init_kaiming)
    return model, [f"{parent}.{name}".lstrip(".") for name in lost]


def init_kaiming(layer: nn.Module) -> None:
    """He's initial weights: without norms, torch's own let the signal die on its way through a deep network."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)


def small_cnn(widths: Sequence[int] = (16, 16, 32, 64, 128)) -> nn.Sequential:
    """Ours: a slim residual network that learns from 128 x 96 pictures at more than a thousand a second on two cores.

    Narrow but deep: without the last stage nothing sees the whole face, and wider first ones are not worth their time.
    """
    stem = nn.Sequential(nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True))
    stages = (Stage(*pair, refined=pair[0] > widths[0]) for pair in pairwise(widths))
    return nn.Sequential(stem, *stages, nn.AdaptiveAvgPool2d(1))


class Stage(nn.Module):
    """Widen while halving the picture, then refine with a residual (not the largest pictures, where it costs most)."""

    def __init__(self, narrow: int, wide: int, *, refined: bool) -> None:
        super().__init__()
        self.widen = nn.Sequential(nn.Conv2d(narrow, wide, 3, 2, 1, bias=False), nn.BatchNorm2d(wide))
        self.refine = (
            nn.Sequential(nn.Conv2d(wide, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide)) if refined else None
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.widen(x))
        return x if self.refine is None else F.relu(x + self.refine(x))


def small_mlp(recipe: TrainParams, side: int = 24, width: int = 256) -> nn.Sequential:
    """Ours, and the plainest: a quarter-size picture, flattened."""
    size = (max(1, min(recipe.height, side * 4) // 4), max(1, min(recipe.width, side * 4) // 4))
    shrink = nn.AdaptiveAvgPool2d(size)
    layers = [nn.Linear(3 * size[0] * size[1], width), nn.BatchNorm1d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(shrink, nn.Flatten(), *layers, nn.Linear(width, width), nn.ReLU(inplace=True))


def list_blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The blocks from first to last, for every family: plain containers are opened, what they hold is a block."""
    for child in module.children():
        is_list = type(child) is nn.Sequential or isinstance(child, nn.ModuleList | nn.ModuleDict)
        nested = isinstance(child, nn.Sequential) and any(list(one.children()) for one in child)
        if is_list or nested or hasattr(child, "layers"):
            yield from list_blocks(child)
        elif any(True for _ in child.parameters()):
            yield child
