"""Backbones: torchvision's networks without their classifier, and two small ones of ours."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from visage.networks.recipe import TrainParams
from visage.runtime.params import suggest

OWN_BACKBONES = ("cnn", "mlp")
PATCH_MULTIPLE = 32  # pixels; a multiple of the patch of torchvision's ViTs (16 or 32; vit_h_14 needs weights)


def build_backbone(recipe: TrainParams) -> tuple[nn.Module, list[str]]:
    """The recipe's backbone, and the names of the layers that were removed from it."""
    if recipe.backbone in OWN_BACKBONES:
        return (small_cnn() if recipe.backbone == "cnn" else small_mlp(recipe.height, recipe.width)), []
    return build_headless(recipe)


def build_headless(recipe: TrainParams) -> tuple[nn.Module, list[str]]:
    """A torchvision network without the layers that turn its features into a thousand classes, and their names."""
    model = build_torchvision_model(recipe)
    removed_layers = remove_classifier(model)
    for layer in model.modules():
        if isinstance(layer, nn.Dropout) and layer.p:  # Inception and others bring some: the recipe sets its rate
            layer.p = recipe.dropout
    if recipe.weights == "none" and not any("norm" in type(layer).__name__.lower() for layer in model.modules()):
        model.apply(init_kaiming)
    return model, removed_layers


def build_torchvision_model(recipe: TrainParams) -> nn.Module:
    from torchvision import models

    name, names = recipe.backbone, models.list_models(module=models)
    if name not in names:
        raise ValueError(f"there is no backbone {name!r}.{suggest(name, [*names, *OWN_BACKBONES])}")
    options: dict[str, object] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_") and recipe.weights == "none":  # given weights fix a ViT's size; without, the recipe does
        options = {"image_size": -(-max(recipe.height, recipe.width) // PATCH_MULTIPLE) * PATCH_MULTIPLE}
    return models.get_model(name, weights=None, **options)


def remove_classifier(model: nn.Module) -> list[str]:
    """Replace the layer with a thousand outputs by the identity, in place; returns the dotted names of what is gone.

    Hidden layers of the classifier (of AlexNet, VGG, MobileNetV3 ...) were made for those classes, and go with it.
    """
    path = [path for path, layer in model.named_modules() if count_outputs(layer) == 1000][-1]
    parent, _, last = path.rpartition(".")
    container, names = model.get_submodule(parent), [last]
    if isinstance(container, nn.Sequential):
        names = [name for name, _ in container.named_children()]
        first = next(i for i, layer in enumerate(container) if isinstance(layer, nn.Dropout | nn.Linear | nn.Conv2d))
        names = names[first : names.index(last) + 1]
    for name in names:
        setattr(container, name, nn.Identity())
    return [f"{parent}.{name}".lstrip(".") for name in names]


def count_outputs(layer: nn.Module) -> int:
    """Outputs of a linear layer or convolution; 0 for other layers."""
    return getattr(layer, "out_features", getattr(layer, "out_channels", 0))


def init_kaiming(layer: nn.Module) -> None:
    """He's initial weights: without norms, torch's own let the signal die on its way through a deep network."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)


def small_cnn(widths: Sequence[int] = (16, 16, 32, 64, 128)) -> nn.Sequential:
    """Ours: a slim residual network that learns from 128 x 96 pictures at more than a thousand a second on two cores.

    Narrow but deep: without the last block nothing sees the whole face, and wider first ones are not worth their time.
    """
    stem = nn.Sequential(nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True))
    blocks = (DownBlock(narrow, wide, residual=narrow > widths[0]) for narrow, wide in pairwise(widths))
    return nn.Sequential(stem, *blocks, nn.AdaptiveAvgPool2d(1))


class DownBlock(nn.Module):
    """Widen while halving the picture, then refine with a residual (not the largest pictures, where it costs most)."""

    def __init__(self, narrow: int, wide: int, *, residual: bool) -> None:
        super().__init__()
        self.widen = nn.Sequential(nn.Conv2d(narrow, wide, 3, 2, 1, bias=False), nn.BatchNorm2d(wide))
        self.refine = (
            nn.Sequential(nn.Conv2d(wide, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide)) if residual else None
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.widen(x))
        return x if self.refine is None else F.relu(x + self.refine(x))


def small_mlp(height: int, width: int, side: int = 24, hidden: int = 256) -> nn.Sequential:
    """Ours, and the plainest: the picture at a quarter of its size (at most `side` pixels a side), flattened."""
    size = (max(1, min(height, side * 4) // 4), max(1, min(width, side * 4) // 4))
    shrink = nn.AdaptiveAvgPool2d(size)
    layers = [nn.Linear(3 * size[0] * size[1], hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)]
    return nn.Sequential(shrink, nn.Flatten(), *layers, nn.Linear(hidden, hidden), nn.ReLU(inplace=True))


def list_blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The blocks from first to last, for every family: plain containers are opened, what they hold is a block."""
    for child in module.children():
        is_list = type(child) is nn.Sequential or isinstance(child, nn.ModuleList | nn.ModuleDict)
        is_nested = isinstance(child, nn.Sequential) and any(list(block.children()) for block in child)
        if is_list or is_nested or hasattr(child, "layers"):
            yield from list_blocks(child)
        elif any(True for _ in child.parameters()):
            yield child
