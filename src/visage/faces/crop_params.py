"""Section `crop` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from visage.faces.boxes import Missing
from visage.runtime.params import Params


class CropParams(Params):
    """Section `crop`."""

    enabled: bool
    size: int = Field(ge=16, le=1024)
    shape: Literal["square", "portrait"]
    margin: Annotated[float, Field(ge=0, le=3)] | Literal["auto"]  # auto becomes a number in `fit_margin`
    align: bool
    fit: Literal["grow", "letterbox", "stretch"]
    pad: Literal["reflect", "blur", "mean"]
    missing: Missing
    quality: int = Field(ge=50, le=100)

    @property
    def width(self) -> int:
        """Pixels; a portrait is three wide and four high."""
        return self.size if self.shape == "square" else round(self.size * 3 / 4)
