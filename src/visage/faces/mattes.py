"""Mattes: how much of each pixel is person, by an ONNX file or a model of rembg."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from visage.faces.sessions import PRETRAINED, open_onnx, session_options
from visage.faces.u2net import run_u2net
from visage.formats.shards import decode_image, encode_image
from visage.runtime.memo import file_digest
from visage.runtime.params import Params, suggest

BUNDLED = Path("models/bundled/matting.onnx")
U2NETS = ("u2net", "u2netp")  # rembg's names of the networks with U2-Net's input and output, which files have too


class CutOutParams(Params):
    """Section `cut_out`. Which part of a picture a network sees is decided where it is used, by `keep` in a recipe."""

    model: str


class MattingModel:
    """A network that tells person from background. Threads share it, each on its own core.

    The bundled network and files are opened without rembg, whose import compiles code for the better part of a minute.
    """

    def __init__(self, model: str) -> None:
        if file := matting_file(model):
            self.weights, self.network = file, open_onnx(file)
        else:
            self.session, self.weights = open_rembg_session(model)
            self.network = self.session.inner_session if model in U2NETS else None
        self.digest = file_digest(self.weights)

    def matte(self, image: np.ndarray) -> np.ndarray:
        """RGB height x width x 3 to uint8 height x width; 255 is person."""
        if self.network:
            return run_u2net(self.network, image)
        from PIL import Image

        return np.asarray(self.session.predict(Image.fromarray(image))[0])


def matting_file(model: str) -> Path | None:
    """The weights of the bundled network or of an .onnx file; None for a model of rembg."""
    if model != "bundled" and not model.endswith(".onnx"):
        return None
    file = (BUNDLED if model == "bundled" else Path(model)).resolve()
    if not file.is_file():
        raise ValueError(f"cut_out.model: {file} is not there; give the path of an ONNX file with U2-Net's input.")
    return file


def open_rembg_session(model: str) -> tuple[Any, Path]:
    """A rembg session and the file of its weights, which rembg downloads to PRETRAINED on first use."""
    if file := matting_file(model):
        os.environ["U2NET_HOME"] = str(file.parent)  # rembg opens files of its own folder only
        name, extra = "u2net_custom", {"model_path": str(file)}
    else:
        os.environ.setdefault("U2NET_HOME", str(PRETRAINED.resolve()))
        name, extra = model, {}
    from rembg.session_factory import new_session
    from rembg.sessions import sessions

    if name not in sessions:
        raise ValueError(f"cut_out.model is {model!r}.{suggest(model, ['bundled', 'none', *sessions])}")
    try:
        weights = Path(sessions[name].download_models(**extra))
        return new_session(name, sess_opts=session_options(), **extra), weights
    except (OSError, ValueError) as error:
        folder = sessions[name].model_dir()
        raise ValueError(
            f"the weights of cut_out.model {model!r} could not be fetched ({error}). Put the file into {folder} "
            "on this machine, or set cut_out.model: bundled."
        ) from None


def make_matte_row(model: MattingModel, crop: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a crop's matte: same photo, same size."""
    matte = model.matte(decode_image(crop["image"]))
    data = encode_image(matte, ".png")
    return {"photo": crop["photo"], "width": matte.shape[1], "height": matte.shape[0], "image": data}
