"""How much of each pixel is person, by rembg."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from visage.formats.shards import decode_image, encode_image
from visage.runtime.memo import file_digest
from visage.runtime.params import Params, suggest

BUNDLED = Path("models/bundled/matting.onnx")
PRETRAINED = Path("models/pretrained")
U2NETS = ("u2net", "u2netp", "u2net_custom")  # networks of one contract: what goes in, and what comes out
INPUT_SIDE = 320  # pixels that they see
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


class CutOutParams(Params):
    """Section `cut_out`. What is kept of a picture is decided where it is used, by `keep` in a recipe."""

    model: str


class MattingModel:
    """A rembg session. Threads share it, each on its own core."""

    def __init__(self, model: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session, weights = open_rembg_session(model, options)
        self.digest = file_digest(weights)

    def matte(self, image: np.ndarray) -> np.ndarray:
        """RGB height x width x 3 to uint8 height x width; 255 is person."""
        if self.session.name() in U2NETS:
            return self.quick(image)
        from PIL import Image

        return np.asarray(self.session.predict(Image.fromarray(image))[0])

    def quick(self, image: np.ndarray) -> np.ndarray:
        """What rembg does before and after a U2-Net, in a fifth of the time: a small network takes less than rembg."""
        picture = cv2.resize(image, (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        picture = (picture / max(picture.max(), 1) - MEAN) / STD
        network = self.session.inner_session
        said = network.run(None, {network.get_inputs()[0].name: picture.transpose(2, 0, 1)[None]})[0][0, 0]
        shares = (said - said.min()) / max(np.ptp(said), 1e-6)
        return cv2.resize((shares * 255).astype(np.uint8), image.shape[1::-1], interpolation=cv2.INTER_AREA)


def open_rembg_session(model: str, options: Any) -> tuple[Any, Path]:
    """A rembg session and the file of its weights, which rembg fetches to `models/pretrained` on first use."""
    if model == "bundled" or model.endswith(".onnx"):
        file = (BUNDLED if model == "bundled" else Path(model)).resolve()
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
        return new_session(name, sess_opts=options, **extra), weights
    except (OSError, ValueError) as error:
        folder = sessions[name].model_dir()
        raise ValueError(
            f"the weights of cut_out.model {model!r} could not be fetched ({error}). Put the file into {folder} "
            "on this machine, or set cut_out.model: bundled."
        ) from None


def make_matte_row(matter: MattingModel, crop: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a crop's matte: same photo, same size."""
    matte = matter.matte(decode_image(crop["image"]))
    data = encode_image(matte, ".png")
    return {"photo": crop["photo"], "width": matte.shape[1], "height": matte.shape[0], "image": data}
