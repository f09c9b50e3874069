"""Parts of a picture: paint is computed where it shows and nowhere else."""

import cv2
import numpy as np

Region = tuple[slice, slice]  # rows and columns of a picture


def find_window(cover: np.ndarray, margin: int = 0) -> Region:
    """The part of a picture that holds all of `cover` above 1e-8, less than what float32 tells from nothing beside 1.

    `margin`: so many pixels more on each side, for what looks at its neighbours. Nothing covered: one corner.
    """
    left, top, width, height = cv2.boundingRect((cover > 1e-8).view(np.uint8))
    rows = slice(max(top - margin, 0), max(top + height + margin, 8))
    return rows, slice(max(left - margin, 0), max(left + width + margin, 8))


def part_of(region: Region, window: Region) -> Region:
    """The region of the whole picture that is the window of this region."""
    both = zip(region, window, strict=True)
    rows, columns = (slice(whole.start + part.start, min(whole.start + part.stop, whole.stop)) for whole, part in both)
    return rows, columns
