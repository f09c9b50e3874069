"""The regions of a face picture, from five landmarks and the matte: one number per pixel."""

import numpy as np

REGIONS = ("mouth", "nose", "eyes", "forehead", "cheeks", "hair", "clothes", "background")
PERSON_THRESHOLD = 128  # mattes at least this bright show the person

# Ellipses in face coordinates: centre (sideways, down) and radii in distances from the eyes to the mouth, with the
# origin between the eyes. The face's own reaches from the hairline to the chin; `cheeks` is what the others leave.
FACE = (0.0, 0.45, 0.98, 1.4)
PARTS = {
    "nose": [(0.0, 0.45, 0.32, 0.33)],
    "mouth": [(0.0, 1.02, 0.6, 0.34)],
    "eyes": [(-0.47, -0.05, 0.38, 0.27), (0.47, -0.05, 0.38, 0.27)],
}
BROWS = -0.3  # the forehead lies above
CHIN = 1.6  # and below, outside the face, there is no hair but neck and clothes


def region_map(landmarks: np.ndarray, size: tuple[int, int], matte: np.ndarray | None = None) -> np.ndarray:
    """Height x width, each pixel the index of its region in REGIONS.

    `landmarks` (5 x 2, pixels): right eye, left eye, nose, right and left corner of the mouth. Without a matte hair
    cannot be told from background, and both count as background.
    """
    side, down = face_coordinates(landmarks, size)
    face = inside_ellipse(side, down, FACE)
    regions = np.full(size, REGIONS.index("background"), np.uint8)
    person = np.zeros(size, bool) if matte is None else matte >= PERSON_THRESHOLD
    regions[person | (down > CHIN) & (np.abs(side) < 1)] = REGIONS.index("clothes")
    regions[person & (down <= CHIN)] = REGIONS.index("hair")
    regions[face] = REGIONS.index("cheeks")
    regions[face & (down < BROWS)] = REGIONS.index("forehead")
    for name, ellipses in PARTS.items():
        for ellipse in ellipses:
            regions[inside_ellipse(side, down, ellipse)] = REGIONS.index(name)
    return regions


def face_coordinates(landmarks: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's place beside and below the point between the eyes, in distances from the eyes to the mouth."""
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:5].mean(0)
    axis = mouth - eyes
    unit = max(float(axis @ axis), 1e-6)
    y, x = np.indices(size)
    x, y = x + 0.5 - eyes[0], y + 0.5 - eyes[1]
    return (x * axis[1] - y * axis[0]) / unit, (x * axis[0] + y * axis[1]) / unit


def inside_ellipse(side: np.ndarray, down: np.ndarray, ellipse: tuple[float, float, float, float]) -> np.ndarray:
    centre_x, centre_y, radius_x, radius_y = ellipse
    return ((side - centre_x) / radius_x) ** 2 + ((down - centre_y) / radius_y) ** 2 <= 1
