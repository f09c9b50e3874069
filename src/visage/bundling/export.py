"""Checkpoints as ONNX: pictures as bytes in, each task's probabilities out, test-time views included. Needs torch."""

import contextlib
import copy
import io
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visage.inference import average_views, predict_probabilities, tta_views
from visage.networks.checkpoints import CheckpointCard
from visage.networks.network import Network
from visage.networks.tensors import to_float, to_nchw
from visage.serving.networks import VALUE

OPSET = 18


class CannotBundle(ValueError):
    """The run is whole, but a part of it has no form that a bundle can hold."""


class Linear2d(nn.Module):
    """A view of a picture as a matrix for its rows and one for its columns: cropping, mirroring and resizing are that.

    ONNX knows no antialiased resizing as torch does it; as matrices it is the same to the last digits everywhere.
    """

    def __init__(self, rows: Tensor, columns: Tensor) -> None:
        super().__init__()
        self.is_same, self.is_mirrored = is_identity(rows) and is_identity(columns), False
        self.is_mirrored = is_identity(rows) and is_identity(columns.flip(0))
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns.T.contiguous())

    def forward(self, pictures: Tensor) -> Tensor:
        if self.is_same:
            return pictures
        return pictures.flip(3) if self.is_mirrored else self.rows @ pictures @ self.columns


def is_identity(matrix: Tensor) -> bool:
    return matrix.shape[0] == matrix.shape[1] and torch.equal(matrix, torch.eye(len(matrix)))


def view_matrices(height: int, width: int, tta: str) -> list[Linear2d]:
    """The views of `tta_views`, read off what they do to pictures of a single white row or column."""
    rows = torch.eye(height)[:, None, :, None].expand(-1, 1, -1, width).contiguous()
    columns = torch.eye(width)[:, None, None, :].expand(-1, 1, height, -1).contiguous()
    return [
        Linear2d(by_row[:, 0, :, 0].T.contiguous(), by_column[:, 0, 0].T.contiguous())
        for by_row, by_column in zip(tta_views(rows, tta), tta_views(columns, tta), strict=True)
    ]


def resize_matrix(old: int, new: int) -> Tensor:
    """new x old: `F.interpolate` with antialiasing along one side."""
    columns = torch.eye(old)[None, None]
    return F.interpolate(columns, (old, new), mode="bilinear", antialias=True)[0, 0].T.contiguous()


class ExportedNetwork(nn.Module):
    """Uint8 pictures (N x 3 x H x W) to the probabilities (N x classes) of every head, the mean over views.

    A head over numbers gives their expected value (N) too.
    """

    def __init__(self, network: Network, card: CheckpointCard, tta: str) -> None:
        super().__init__()
        self.network, self.heads = network, card.heads
        height, width = card.recipe.height, card.recipe.width
        self.views = nn.ModuleList(view_matrices(height, width, tta))
        side = network.image_size
        self.resize = Linear2d(resize_matrix(height, side), resize_matrix(width, side)) if side else nn.Identity()

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        pictures = to_float(pictures)
        outputs_by_head = zip(*(self.network(self.resize(view(pictures))) for view in self.views), strict=True)
        results = []
        for head, views in zip(self.heads, outputs_by_head, strict=True):
            results.append(average_views(head, views)[0])
            if head.cells:
                shares = torch.stack([view.softmax(1) for view in views]).mean(0)
                results.append(shares @ torch.tensor(head.cells, dtype=torch.float32))
        return tuple(results)


def replace_pools(network: Network, height: int, width: int) -> None:
    """Pooling to a size that does not divide its input's, which ONNX cannot say, as matrices; in place."""
    sizes: dict[nn.Module, torch.Size] = {}
    pools = [layer for layer in network.modules() if isinstance(layer, nn.AdaptiveAvgPool2d)]
    hooks = [layer.register_forward_hook(lambda own, args, _: sizes.update({own: args[0].shape})) for layer in pools]
    network(torch.zeros(1, 3, height, width))
    for hook in hooks:
        hook.remove()
    for name, layer in list(network.named_modules()):
        if layer in sizes:
            old, new = sizes[layer][2:], layer.output_size
            new = new if isinstance(new, tuple) else (new, new)
            if any(a % b for a, b in zip(old, new, strict=True)):
                network.set_submodule(name, Linear2d(*(pool_matrix(a, b) for a, b in zip(old, new, strict=True))))


def pool_matrix(old: int, new: int) -> Tensor:
    """new x old: adaptive average pooling along one side."""
    return F.adaptive_avg_pool1d(torch.eye(old), new).T.contiguous()


@contextlib.contextmanager
def exportable_attention() -> Iterator[None]:
    """Attention layer by layer: torch's fused one has no name in ONNX."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def output_names(card: CheckpointCard) -> list[str]:
    names = [[head.task, f"{head.task}.{VALUE}"] if head.cells else [head.task] for head in card.heads]
    return [name for pair in names for name in pair]


@torch.no_grad()
def export_network(network: Network, card: CheckpointCard, tta: str) -> bytes:
    """The network (on the CPU) with its views as an ONNX file that takes any number of pictures."""
    names, file = output_names(card), io.BytesIO()
    size = (network.image_size or card.recipe.height, network.image_size or card.recipe.width)
    network = copy.deepcopy(network)
    replace_pools(network, *size)
    example = torch.zeros(2, 3, card.recipe.height, card.recipe.width, dtype=torch.uint8)
    exported = ExportedNetwork(network, card, tta).eval()
    with warnings.catch_warnings(), exportable_attention():
        warnings.simplefilter("ignore")  # the exporter says that there is a newer one, which needs packages more
        try:
            torch.onnx.export(
                exported,
                (example,),
                file,
                input_names=["pictures"],
                output_names=names,
                dynamic_axes={name: {0: "photos"} for name in ["pictures", *names]},
                opset_version=OPSET,
                dynamo=False,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise CannotBundle(f"backbone {card.recipe.backbone} cannot be written as ONNX ({reason}).") from None
    return file.getvalue()


def export_error(data: bytes, network: Network, card: CheckpointCard, pixels: np.ndarray, tta: str) -> float:
    """The largest difference of a probability between an exported network and PyTorch, on these pictures (NHWC)."""
    from onnxruntime import InferenceSession

    from visage.faces.sessions import session_options

    session = InferenceSession(data, session_options(), providers=["CPUExecutionProvider"])
    pictures = to_nchw(pixels)
    wanted = [mean for mean, _ in predict_probabilities(network, card, pictures, tta=tta)]
    given = session.run([head.task for head in card.heads], {"pictures": pictures.numpy()})
    return max_difference(wanted, given)


def max_difference(wanted: Sequence[np.ndarray], given: Sequence[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max(initial=0)) for a, b in zip(wanted, given, strict=True))
