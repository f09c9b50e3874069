"""What the photos of a set have room for: one margin for all of them, and what else would keep crops inside."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from visage.faces.crop_params import CropParams
from visage.faces.regions import (
    choose_region,
    grow_to_aspect,
    measure_outside,
    turn_angle,
    turned_sides,
)
from visage.formats.columns import CORNERS

MOST, STEP = 0.25, 0.05  # of `margin: auto`, in sides of the box; in steps, so that a new photo seldom changes it
TOLERATED = 0.1  # of the photos have less room than `margin: auto` takes
MUCH = 0.15  # of the median crop outside its photo is worth a sentence
EXAMPLES = 1000  # faces on which other parameters are tried


def fit_margin(faces: pd.DataFrame, params: CropParams) -> CropParams:
    """The parameters with a number for `margin: auto`: the most with which nine of ten crops fit into their photos.

    `faces` are chosen boxes with landmarks, `by`, and the `width` and `height` of their photos.
    """
    if params.margin != "auto":
        return params
    margins = sorted(largest_margin(face, params) for face in faces[faces["by"] != "whole"].to_dict("records"))
    margin = margins[int(TOLERATED * len(margins))] if margins else MOST
    return params.replace(margin=round(int(np.clip(margin, 0, MOST) / STEP + 1e-9) * STEP, 2))


def largest_margin(face: Mapping[str, Any], params: CropParams) -> float:
    """The margin with which the region, turned, is as long as the photo on one axis; below 0 if the box is longer."""
    box = np.array([face[name] for name in CORNERS], float)
    region = grow_to_aspect(box, params.width / params.size) if params.fit == "grow" else box
    sides = turned_sides(region, turn_angle(face, params))
    return (min(face["width"] / sides[0], face["height"] / sides[1]) - 1) / 2


def describe_outside(outside: np.ndarray, faces: pd.DataFrame, params: CropParams) -> str:
    """The median share outside the photos; from MUCH on also what other parameters would make of it."""
    median = float(np.median(outside)) if len(outside) else 0.0
    sentence = f"The median crop has {median:.0%} of its area outside its photo"
    if median <= MUCH:
        return f"{sentence}."
    tried = faces.head(EXAMPLES)
    best, others = median, []
    for name, changed in suggest_params(tried, params).items():
        share = np.median([measure_face(face, changed) for face in tried.to_dict("records")])
        if share < best:
            others.append(f"{share:.0%} with {name}")
            best = share
    return f"{sentence}; it would be {', '.join(others)}."


def suggest_params(faces: pd.DataFrame, params: CropParams) -> dict[str, CropParams]:
    """Parameters that may keep crops inside their photos, by how to set them; from the mildest on."""
    fitted, suggestions = fit_margin(faces, params.replace(margin="auto")), {}
    other = "portrait" if params.shape == "square" else "square"
    if fitted.margin < params.margin:
        suggestions[f"crop.margin: auto (here {fitted.margin:g})"] = fitted
    suggestions[f"crop.shape: {other} and margin: auto"] = fit_margin(faces, params.replace(margin="auto", shape=other))
    suggestions["crop.enabled: false (whole photos)"] = params.replace(enabled=False)
    return suggestions


def measure_face(face: Mapping[str, Any], params: CropParams) -> float:
    """The share of the face's crop outside its photo."""
    region = choose_region(face, face["height"], face["width"], params)
    return measure_outside(region, turn_angle(face, params), face["height"], face["width"])
