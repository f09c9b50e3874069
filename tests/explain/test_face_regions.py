"""Face regions: the parts of a face are where they should be."""

import numpy as np

from visage.explain.face_regions import REGIONS, region_map

LANDMARKS = np.array([[36, 50], [64, 50], [50, 64], [40, 78], [60, 78]], float)  # of 100 x 120: an upright face


def region_at(regions: np.ndarray, x: float, y: float) -> str:
    return REGIONS[regions[int(y), int(x)]]


def test_the_parts_of_a_face_are_where_they_should_be() -> None:
    matte = np.zeros((120, 100), np.uint8)
    matte[5:110, 15:85] = 255
    regions = region_map(LANDMARKS, (120, 100), matte)
    expected = {(50, 78): "mouth", (50, 64): "nose", (36, 50): "eyes", (64, 50): "eyes", (50, 32): "forehead"}
    expected |= {(27, 68): "cheeks", (50, 12): "hair", (18, 45): "hair", (20, 106): "clothes", (3, 3): "background"}
    assert {point: region_at(regions, *point) for point in expected} == expected


def test_a_face_rotated_by_ninety_degrees_has_its_parts_rotated_too() -> None:
    matte = np.full((100, 100), 255, np.uint8)
    rotated = np.stack([100 - LANDMARKS[:, 1], LANDMARKS[:, 0]], 1)  # clockwise
    regions = region_map(rotated, (100, 100), matte)
    assert region_at(regions, 100 - 78, 50) == "mouth" and region_at(regions, 100 - 32, 50) == "forehead"


def test_without_a_matte_hair_counts_as_background() -> None:
    assert "hair" not in {REGIONS[region] for region in np.unique(region_map(LANDMARKS, (120, 100)))}
