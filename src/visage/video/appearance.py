"""What tells one face from another between frames: the mean colours of hair, forehead and clothes."""

import cv2
import numpy as np

REGIONS = (  # x0 y0 x1 y1, shares of the box; what a mask covers is left out
    (0.15, -0.3, 0.85, 0.05),  # hair
    (0.2, 0.15, 0.8, 0.4),  # forehead and eyes
    (0.1, 1.2, 0.9, 1.7),  # clothes
)
COLOUR = 7.0  # deviation of one face's colours from frame to frame, Lab units
MOST_COLOUR = 20.0  # the most that colours add: a face that stays in its place may change them


def mean_colours(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Mean Lab colours of the REGIONS, 9 numbers; not a number where they are outside the picture."""
    width, height = box[2] - box[0], box[3] - box[1]
    colours = np.full((len(REGIONS), 3), np.nan)
    for i, (x0, y0, x1, y1) in enumerate(REGIONS):
        left, right = np.clip((box[0] + width * np.array([x0, x1])).astype(int), 0, image.shape[1])
        top, bottom = np.clip((box[1] + height * np.array([y0, y1])).astype(int), 0, image.shape[0])
        if right - left >= 2 and bottom - top >= 2:
            mean = cv2.mean(image[top:bottom, left:right])[:3]
            colours[i] = cv2.cvtColor(np.float32([[mean]]) / 255, cv2.COLOR_RGB2Lab)[0, 0]
    return colours.ravel()


def colour_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared difference in deviations, of the regions that both have; at most MOST_COLOUR."""
    differences = (a - b)[~np.isnan(a - b)]
    return min(float(np.sum((differences / COLOUR) ** 2)), MOST_COLOUR)


def is_crowded(i: int, boxes: np.ndarray) -> bool:
    """Whether another face, with its hair and clothes, overlaps that of box i: its colours may be mixed with those."""
    size = boxes[:, 2:] - boxes[:, :2]
    low, high = boxes[:, :2] - 0.3 * size, boxes[:, 2:] + size * [0.3, 0.7]
    overlaps = np.all((low < high[i]) & (high > low[i]), axis=1)
    return int(overlaps.sum()) > 1
