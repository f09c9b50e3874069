"""How ONNX networks run: on one core per call, because the callers are one thread per core."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # onnxruntime is slow to import: only where a network is opened
    from onnxruntime import InferenceSession, SessionOptions

PRETRAINED = Path("models/pretrained")  # where downloaded weights lie


def session_options() -> SessionOptions:
    """One thread per call, and no messages but errors."""
    from onnxruntime import SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def open_onnx(weights: Path) -> InferenceSession:
    """A network on the CPU; several threads may call it at once."""
    from onnxruntime import InferenceSession

    return InferenceSession(weights, session_options(), providers=["CPUExecutionProvider"])
