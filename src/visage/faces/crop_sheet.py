"""A contact sheet of crops: those with the most outside their photos, and some others."""

from pathlib import Path

import cv2
import numpy as np

from visage.formats.shards import decode_image, read_rows

ACROSS, ROWS = 8, 2  # crops in a row; rows of the worst, and rows of others
HEIGHT = 160  # pixels of a crop
BAND = 18  # pixels for the text below a crop
GAP = 6  # pixels between crops


def choose_examples(crops: Path) -> tuple[list[str], list[str]]:
    """Photos whose crops have the most outside, worst first; and as many others, spread over the set."""
    table = [(row["photo"], row["outside"]) for row in read_rows(crops, ["photo", "outside"])]
    ranked = [photo for photo, _ in sorted(table, key=lambda row: (-row[1], row[0]))]
    count = ACROSS * ROWS
    worst, rest = ranked[:count], set(ranked[count:])
    others = [photo for photo, _ in table if photo in rest]  # in the order of shards: mixed by a hash
    return worst, others[:: max(1, len(others) // count)][:count]


def draw_contact_sheet(crops: Path) -> np.ndarray:
    """RGB; below each crop the share of it that lies outside its photo. White where there are no crops."""
    groups = choose_examples(crops)
    photos = {photo for group in groups for photo in group}
    rows = read_rows(crops, ["photo", "image", "outside"])
    tiles = {
        row["photo"]: draw_tile(decode_image(row["image"]), row["outside"]) for row in rows if row["photo"] in photos
    }
    blank = np.full_like(next(iter(tiles.values()), np.zeros((HEIGHT + BAND, HEIGHT, 3), np.uint8)), 255)
    lines = []
    for group in groups:
        cells = [tiles[photo] for photo in group]
        cells += [blank] * (-len(cells) % ACROSS)
        lines += [np.hstack(cells[start : start + ACROSS]) for start in range(0, len(cells), ACROSS)]
    return np.vstack(lines or [blank])


def draw_tile(crop: np.ndarray, outside: float) -> np.ndarray:
    """A crop on white, with its share outside in percent below."""
    width = round(crop.shape[1] * HEIGHT / crop.shape[0])
    tile = np.full((HEIGHT + BAND, width + GAP, 3), 255, np.uint8)
    tile[:HEIGHT, :width] = cv2.resize(crop, (width, HEIGHT), interpolation=cv2.INTER_AREA)
    place, ink = (2, HEIGHT + 13), (40, 40, 40)
    return cv2.putText(tile, f"{outside:.0%} outside", place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, ink, 1, cv2.LINE_AA)
