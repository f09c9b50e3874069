"""How the camera moved between two frames: a shift, a turn and a zoom that most points of the picture agree on."""

import cv2
import numpy as np

WIDTH = 320  # px that frames are shrunk to
POINTS, APART = 150, 8  # corners that are followed, and px between them
AGREE = 0.5  # the least share of points that follow the same motion; else the camera counts as still
STILL = np.eye(2, 3)


class CameraMotion:
    def __init__(self) -> None:
        self.grey: np.ndarray | None = None

    def update(self, image: np.ndarray) -> np.ndarray:
        """From pixels of the frame before to pixels of this one, 2 x 3; STILL for the first, and after a cut."""
        scale = min(1.0, WIDTH / image.shape[1])
        shrunk = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(shrunk, cv2.COLOR_RGB2GRAY)
        before, self.grey = self.grey, grey
        if before is None or before.shape != grey.shape:
            return STILL
        points = cv2.goodFeaturesToTrack(before, POINTS, 0.01, APART)
        if points is None or len(points) < 8:
            return STILL
        moved, found, _ = cv2.calcOpticalFlowPyrLK(before, grey, points, None, winSize=(15, 15), maxLevel=3)
        kept = found.ravel() == 1
        if kept.sum() < 8:
            return STILL
        matrix, inliers = cv2.estimateAffinePartial2D(points[kept], moved[kept], ransacReprojThreshold=1.5)
        if matrix is None or inliers.sum() < AGREE * len(points):
            return STILL
        matrix[:, 2] /= scale
        return matrix
