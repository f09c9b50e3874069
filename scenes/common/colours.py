"""Colour augmentation of training images."""

import cv2
import numpy as np


def jitter_colours(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light, contrast and colour cast in 80% of the RGB images; some grey, blurred, noisy or badly compressed."""
    if rng.random() < 0.8:
        gain = np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.06, 3))  # contrast, and of each channel
        tones = 128 + gain[:, None] * (np.arange(256) - 128) + rng.normal(0, 20)
        table = np.clip(tones, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, np.ascontiguousarray(table.T[None]))
    if rng.random() < 0.08:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    degradation = rng.random()
    if degradation < 0.1:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    elif degradation < 0.2:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 12))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    elif degradation < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))]
        image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
    return image
