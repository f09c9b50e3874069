"""Put one person's face above the nose line, with the hair, onto another person's photo: position, colour, seam.

Lengths are in eye distances, as in `face_regions`.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from visage.formats.shards import decode_image, encode_image
from visage.transplants.face_regions import (
    SKIN_SPREAD,
    face_grid,
    forehead_mask,
    forehead_region,
    frame_depth,
    hair_mask,
    half_mask,
    skin_mask,
    skin_region,
    smoothstep,
    to_lab,
)
from visage.transplants.landmarks import align_similarity

FRAME_FADE = 0.3  # the patch fades in over this distance from where the donor's picture ends
FRAME_MARGIN = 2.0  # pixels of the receiver; nearer to that end, resampling and JPEG may have mixed padding in
MIN_PERSON_SHARE = 0.75  # of the patch has to be person on both photos, else hardly any forehead would be moved
MIN_PIXELS = 40  # fewer pixels of skin or forehead are not measured
PNG = b"\x89PNG"


@dataclass(frozen=True)
class StoredFace:
    """One crop as it is stored: bytes of picture and matte, landmarks (5 x 2 crop pixels).

    `frame` are the corners of the region that was cut and of the photo (2 x 4 x 2 crop pixels): the rest is padding.
    """

    image: bytes
    matte: bytes
    landmarks: np.ndarray
    frame: np.ndarray

    def memo_key(self) -> tuple[bytes, ...]:
        return self.image, self.matte, self.landmarks.tobytes(), self.frame.tobytes()


@dataclass(frozen=True)
class GraftJob:
    """One picture to make. `part` is `forehead`, or a half (`upper`, `left`, `right`) with a straight, hard border.

    `blend` (`feather` or `poisson`) and `match` (of colour and light) apply to foreheads only.
    """

    donor: StoredFace
    receiver: StoredFace
    part: str
    blend: str
    match: bool

    def memo_key(self) -> tuple:
        return *self.donor.memo_key(), *self.receiver.memo_key(), self.part, self.blend, self.match


def person_matte(matte: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """The matte; all 255 if it leaves out the skin around the eyes: then it took a mask for the person."""
    return matte if 2 * (matte[skin] > 127).sum() >= skin.sum() else np.full_like(matte, 255)


def measure_forehead(face: StoredFace) -> dict[str, float]:
    """`bare`: the share of the forehead that is bare skin (low under a hat or a fringe); the skin's median Lab.

    Only what the picture shows is measured, no padding.
    """
    image, matte = decode_image(face.image), decode_image(face.matte)
    x, y = face_grid(face.landmarks, image.shape)
    is_shown = frame_depth(face.frame, image.shape) > 0
    skin = skin_region(x, y) & is_shown
    forehead = forehead_region(x, y) & is_shown
    if min(skin.sum(), forehead.sum()) < MIN_PIXELS:
        return {"bare": 0.0, "tone_l": 0.0, "tone_a": 0.0, "tone_b": 0.0}
    skin_lab, forehead_lab = (to_lab(image[region][None])[0] for region in (skin, forehead))
    tone = np.median(skin_lab, axis=0)
    skin_coloured = (((forehead_lab - tone) / SKIN_SPREAD) ** 2).sum(-1) < 1
    bare = float((skin_coloured & (person_matte(matte, skin)[forehead] > 127)).mean())
    return {"bare": bare} | dict(zip(("tone_l", "tone_a", "tone_b"), tone.tolist(), strict=True))


def match_colour(donor: np.ndarray, receiver: np.ndarray, region: np.ndarray) -> np.ndarray:
    """The donor's picture in the receiver's light: median and spread of Lab as in `region` (boolean) of the receiver.

    Median and quartiles, so that a lock of hair or the rim of glasses does not count. Only skin takes on the other's
    tone; hair, brows and eyes get its light alone, or grey hair would turn blue where a pale donor meets dark skin.
    """
    if region.sum() < MIN_PIXELS:
        return donor
    lab = to_lab(donor)
    low, median, high = np.percentile(lab[region], (25, 50, 75), axis=0)
    target_low, target_median, target_high = np.percentile(to_lab(receiver)[region], (25, 50, 75), axis=0)
    gain = np.clip((target_high - target_low + 2) / (high - low + 2), 0.75, 1.33)
    light = (target_median[0] + 5) / (median[0] + 5)
    deviation = lab - np.float32(median)
    skin = np.exp(-((deviation / SKIN_SPREAD) ** 2).sum(-1, keepdims=True))
    relit = lab * np.float32([light, light**0.5, light**0.5])
    matched = relit + (deviation * np.float32(gain) + np.float32(target_median) - relit) * skin
    return np.round(np.clip(cv2.cvtColor(matched, cv2.COLOR_LAB2RGB), 0, 1) * 255).astype(np.uint8)


def blend_feather(patch: np.ndarray, base: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`patch` over `base` (both colour or both grey), as much of it as `weight` (height x width, 0 to 1) says."""
    weight = weight.reshape(*weight.shape, *[1] * (base.ndim - 2))
    return np.round(base + (patch.astype(np.float32) - base) * weight).astype(np.uint8)


def blend_poisson(patch: np.ndarray, base: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The gradients of `patch` inside, the colours of `base` along the border; outside, `base` to the last bit."""
    inside = np.zeros(weight.shape, np.uint8)
    inside[2:-2, 2:-2] = weight[2:-2, 2:-2] > 0.5
    x, y, width, height = cv2.boundingRect(inside)
    cloned = cv2.seamlessClone(patch, base, inside * 255, (x + width // 2, y + height // 2), cv2.NORMAL_CLONE)
    return blend_feather(cloned, base, np.minimum(2 * weight, 1))


def make_graft(job: GraftJob) -> dict[str, bytes]:
    """The receiver's `image` and `matte` with a part of the donor's face; {} where too little of it is person."""
    image, matte = decode_image(job.receiver.image), decode_image(job.receiver.matte)
    transform, size = align_similarity(job.donor.landmarks, job.receiver.landmarks), image.shape[1::-1]
    donor_image, donor_matte = decode_image(job.donor.image), decode_image(job.donor.matte)
    patch = cv2.warpAffine(donor_image, transform, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    patch_matte = cv2.warpAffine(donor_matte, transform, size, flags=cv2.INTER_LINEAR)
    x, y = face_grid(job.receiver.landmarks, image.shape)
    depth = frame_depth(job.donor.frame @ transform[:, :2].T + transform[:, 2], image.shape) - FRAME_MARGIN
    if job.part == "forehead":
        left, top, width, height = cv2.boundingRect((hair_mask(x, y) * (depth > 0) > 0).astype(np.uint8))
        if not width:  # the face lies outside its crop
            return {}
        window = np.s_[top : top + height, left : left + width]
        mattes = np.stack([patch_matte[window], matte[window]])
        blended = blend_forehead(job, patch[window], image[window], mattes, x[window], y[window], depth[window])
        if blended is None:
            return {}
        image[window] = blended
    else:
        weight = half_mask(job.part, x, y) * (depth > 0)
        image, matte = blend_feather(patch, image, weight), blend_feather(patch_matte, matte, weight)
    form = ".png" if job.receiver.image.startswith(PNG) else ".jpg"
    return {"image": encode_image(image, form), "matte": encode_image(matte, ".png")}


def blend_forehead(
    job: GraftJob, patch: np.ndarray, base: np.ndarray, mattes: np.ndarray, x: np.ndarray, y: np.ndarray,
    depth: np.ndarray,
) -> np.ndarray | None:  # fmt: skip
    """The donor's forehead and hair over `base`, where both mattes show a person; None where too little of it is.

    `depth`: pixels from where the donor's picture ends; beyond it, below 0, `base` remains. The receiver's own outline
    remains, so there is no second outline beside the first. Poisson blending leaves out the hair, which would take on
    the colours of the background along its border.
    """
    eye_distance = float(np.linalg.norm(job.receiver.landmarks[1] - job.receiver.landmarks[0]))
    shown = smoothstep(depth, 0, FRAME_FADE * eye_distance)
    region, skin = forehead_mask(x, y) * shown, skin_region(x, y) & (depth > 0)
    person = np.minimum(*(person_matte(matte, skin) for matte in mattes))
    weight = region * (person / np.float32(255))
    if not weight.sum() >= MIN_PERSON_SHARE * region.sum() > 0:
        return None
    if job.blend == "feather":
        weight = np.maximum(weight, hair_mask(x, y) * shown * (mattes.min(0) / np.float32(255)))
    unmasked = np.minimum(skin_mask(patch, x, y, eye_distance), skin_mask(base, x, y, eye_distance))
    if job.match:
        patch = match_colour(patch, base, skin & (person > 200) & (unmasked > 0.5))
    blend = blend_poisson if job.blend == "poisson" else blend_feather
    return blend(patch, base, weight * unmasked)
