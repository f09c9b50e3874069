"""Weights on disk: as PyTorch keeps them, and as an ONNX file."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from visage.runtime.files import replace_file

OPSET = 17


def save_weights(network: nn.Module, path: Path) -> None:
    with replace_file(path) as part:
        torch.save(network.state_dict(), part)


def load_weights(network: nn.Module, path: Path) -> nn.Module:
    network.load_state_dict(torch.load(path, weights_only=True))
    return network


def write_onnx(
    network: nn.Module, example: Tensor, path: Path, *, outputs: Sequence[str], axes: Mapping[str, Mapping[int, str]]
) -> None:
    """The network with one input named `input`; `axes` names the axes of any size, by input or output."""
    with replace_file(path) as part, warnings.catch_warnings():
        # The older exporter, on purpose: it needs no further package, and folds the norms into the convolutions.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(),
            (example,),
            part,
            input_names=["input"],
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
