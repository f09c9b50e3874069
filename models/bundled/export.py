"""Write both networks as ONNX files that retina-face and rembg take for their own."""

from __future__ import annotations

import sys
from pathlib import Path

import detector_network
import matting_network
import torch
from torch import nn

OPSET = 17


def write_detector(weights: Path, path: Path) -> None:
    """Nine outputs for strides 32, 16, 8, ordered and laid out as in retina-face; any batch, height and width."""
    network = loaded(detector_network.Detector(), weights)
    parts = [
        (f"{part}_stride{stride}", stride)
        for stride in detector_network.STRIDES
        for part in ("cls_prob", "bbox_pred", "landmark_pred")
    ]
    axes = {
        "input": {0: "n", 1: "h", 2: "w"},
        **{name: {0: "n", 1: f"h{stride}", 2: f"w{stride}"} for name, stride in parts},
    }
    write(
        detector_network.Contract(network),
        torch.zeros(1, 320, 256, 3),
        path,
        outputs=[name for name, _ in parts],
        axes=axes,
    )


def write_matting(weights: Path, path: Path) -> None:
    network = loaded(matting_network.Matting(), weights)
    side = matting_network.SIDE
    axes = {"input": {0: "n"}, "alpha": {0: "n"}}
    write(matting_network.Contract(network), torch.zeros(1, 3, side, side), path, outputs=["alpha"], axes=axes)


def loaded(network: nn.Module, weights: Path) -> nn.Module:
    network.load_state_dict(torch.load(weights, weights_only=True))
    return network


def write(network: nn.Module, example: torch.Tensor, path: Path, *, outputs: list[str], axes: dict) -> None:
    # The older exporter: it needs no further package, and folds the norms into the convolutions by itself.
    torch.onnx.export(
        network.eval(),
        (example,),
        path,
        input_names=["input"],
        output_names=outputs,
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )


def main(detector: Path, matting: Path, detector_onnx: Path, matting_onnx: Path) -> None:
    detector_onnx.parent.mkdir(exist_ok=True)
    write_detector(detector, detector_onnx)
    write_matting(matting, matting_onnx)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
