"""Weights made elsewhere: found on disk or fetched, read without running anything in them, loaded strictly."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from visage.networks.backbones import OWN_BACKBONES
from visage.networks.recipe import TrainParams
from visage.runtime.memo import file_digest

FOLDER = Path("models/pretrained")


def find_weights(recipe: TrainParams, folder: Path = FOLDER) -> Path | None:
    """The file that the recipe's weights come from; ImageNet's are fetched by torchvision on first use."""
    if recipe.weights == "none":
        return None
    if recipe.weights != "imagenet":
        path = Path(recipe.weights)
        if not path.is_file():
            raise ValueError(
                f"train.weights is {recipe.weights!r}: none, imagenet, or an existing .pth or .safetensors file."
            )
        return path
    if recipe.backbone in OWN_BACKBONES:
        raise ValueError(
            f"there are no imagenet weights for our own {recipe.backbone}; set train.weights to none or a path."
        )
    from torchvision.models import get_model_weights

    url = get_model_weights(recipe.backbone).DEFAULT.url
    path = folder / url.rpartition("/")[2]
    if not path.is_file():
        download_weights(url, path)
    return path


def download_weights(url: str, path: Path) -> None:
    """torch checks the hash in the name and moves the file into place only when it is whole."""
    try:
        torch.hub.load_state_dict_from_url(
            url, model_dir=str(path.parent), check_hash=True, weights_only=True, map_location="cpu"
        )
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"{url} could not be fetched ({error}); fetch it elsewhere and save it as {path}, or set train.weights."
        ) from None


def load_backbone(backbone: nn.Module, path: Path, removed_layers: Sequence[str]) -> None:
    """Weights into the backbone, strictly: besides its own, the file may hold only those of the removed layers."""
    tensors = read_tensors(path)
    if any(name.startswith("backbone.") for name in tensors):  # a checkpoint of ours
        tensors = {
            name.removeprefix("backbone."): tensor for name, tensor in tensors.items() if name.startswith("backbone.")
        }
    ignored = tuple(f"{name}." for name in removed_layers) + (("aux", "AuxLogits.") if removed_layers else ())
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(ignored)}
    state = backbone.state_dict()
    if wrong := find_mismatches(tensors, state):
        examples = ", ".join(wrong[:5]) + (" ..." if len(wrong) > 5 else "")
        raise ValueError(
            f"{path} does not fit the backbone: {len(wrong)} weights are missing, too much or of another shape: "
            f"{examples}."
        )
    backbone.load_state_dict(state | tensors)


def find_mismatches(tensors: dict[str, Tensor], state: dict[str, Tensor]) -> list[str]:
    """Names that only one of the two has, then names whose shapes differ; batch counters do not matter."""
    one_sided = sorted(tensors.keys() ^ state.keys())
    misshapen = sorted(name for name in tensors.keys() & state.keys() if tensors[name].shape != state[name].shape)
    return [name for name in one_sided + misshapen if not name.endswith("num_batches_tracked")]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors and nothing else: a foreign pickle is never run."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} holds more than tensors, or is damaged: {str(error).splitlines()[0]}") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    return {name.removeprefix("module."): value for name, value in state.items() if isinstance(value, Tensor)}


def weights_digest(recipe: TrainParams, folder: Path = FOLDER) -> str:
    """SHA-256 of the file that the recipe's weights come from; empty without one."""
    path = find_weights(recipe, folder)
    return file_digest(path) if path else ""
