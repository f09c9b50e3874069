"""Exported networks in fewer bits: half floats (half the size), or whole numbers of 8 bits."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

Precision = Literal["float32", "float16", "int8"]
CALIBRATION_BATCH = 16


def convert(data: bytes, pixels: np.ndarray, precision: Precision) -> bytes:
    """An ONNX file in another precision; `pixels` (NHWC, uint8) show int8 how large its numbers become."""
    if precision == "float32":
        return data
    return to_float16(data) if precision == "float16" else to_int8(data, pixels)


def to_float16(data: bytes) -> bytes:
    """Weights and arithmetic as half floats; inputs and outputs stay. Processors count in 32 bits and convert."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(onnx.load_from_string(data), keep_io_types=True)
    return model.SerializeToString()


def to_int8(data: bytes, pixels: np.ndarray) -> bytes:
    """Convolutions and matrix products in 8 bits, each channel of weights at a scale of its own."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        whole, shaped, small = (Path(folder) / name for name in ("whole.onnx", "shaped.onnx", "small.onnx"))
        whole.write_bytes(data)
        quant_pre_process(whole, shaped, skip_symbolic_shape=True)
        quantize_static(
            shaped,
            small,
            CalibrationPictures(pixels),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
        )
        return small.read_bytes()


class CalibrationPictures:
    """Batches of pictures, as onnxruntime asks for them."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.batches: Iterator[np.ndarray] = iter(np.array_split(pixels, max(1, len(pixels) // CALIBRATION_BATCH)))

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"pictures": np.ascontiguousarray(batch.transpose(0, 3, 1, 2))}
