"""One person's face above the nose line, with the hair, on another person's photo: its place, its colour, its seam.

Places on a face are told in *eye distances* from the point between the eyes: x towards the person's left eye, y down
the face. The brows lie at -0.4, the hairline near -1.1, the tip of the nose near 0.65; a mask begins at about 0.3.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from visage.formats.shards import decode_image, encode_image
from visage.transplants.pairing import align_similarity, to_complex

SEAM = ((0.0, 0.3, 0.6, 0.95, 1.5), (0.20, 0.28, 0.34, 0.26, 0.10))  # |x|, and the y at which the patch ends there
SEAM_WIDTH = 0.22  # how wide the seam below the eyes is
FOREHEAD_REACH = (1.03, 1.42)  # how far the patch reaches to the temples and to the hairline
SKIN_SPREAD = np.float32([28, 15, 15])  # how far in Lab from the middle of the skin a pixel may still be skin
TEMPLE_REACH, HAIR_REACH = 1.0, 1.4  # how far the hair moves with it to the sides, at the temples and above them
MIN_PERSON = 0.75  # of the patch has to be person on both photos, else it is hardly a forehead that was put there
FOREHEAD_HALF_WIDTH, FOREHEAD_HALF_HEIGHT = (
    0.75,
    0.28,
)  # half axes of the bare forehead, whose middle lies this far above the eyes:
FOREHEAD_HEIGHT = 0.62
PNG = b"\x89PNG"


@dataclass(frozen=True)
class StoredFace:
    """One crop as it is stored: picture and matte bytes, landmarks (5 x 2 pixels)."""

    image: bytes
    matte: bytes
    marks: np.ndarray

    def parts(self) -> tuple[bytes, ...]:
        """All that it consists of, for a digest."""
        return self.image, self.matte, self.marks.tobytes()


@dataclass(frozen=True)
class GraftJob:
    """What is to be made. `part` is `forehead`, or a half (`upper`, `left`, `right`) that is cut straight and plain:
    `blend` (`feather` or `poisson`) and `match` (of colour and light) are for foreheads alone."""

    donor: StoredFace
    receiver: StoredFace
    part: str
    blend: str
    match: bool

    def parts(self) -> tuple:
        return *self.donor.parts(), *self.receiver.parts(), self.part, self.blend, self.match


def face_grid(marks: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Where on the face every pixel lies: x and y in eye distances."""
    right, left = to_complex(marks)[:2]
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    place = (x + 1j * y - np.complex64((right + left) / 2)) / np.complex64(left - right)
    return place.real, place.imag


def smoothstep(values: np.ndarray, zero: float, one: float) -> np.ndarray:
    """0 up to `zero`, 1 from `one` on, a smooth step between; `one` may be the smaller of the two."""
    step = np.clip((values - zero) / (one - zero), 0, 1)
    return step * step * (3 - 2 * step)


def seam_mask(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return smoothstep(y - np.interp(np.abs(x), *SEAM).astype(np.float32), SEAM_WIDTH / 2, -SEAM_WIDTH / 2)


def forehead_mask(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How much of each pixel the patch covers: down to the seam below the eyes, softly out to temples and hairline."""
    outwards = np.hypot(x / FOREHEAD_REACH[0], np.minimum(y - 0.1, 0) / FOREHEAD_REACH[1])
    return seam_mask(x, y) * smoothstep(outwards, 1.1, 0.8)


def hair_mask(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same with the hair: up to the top, and wider above the temples."""
    reach = TEMPLE_REACH + (HAIR_REACH - TEMPLE_REACH) * smoothstep(y, -0.4, -1.1)
    return seam_mask(x, y) * smoothstep(np.abs(x), reach + 0.25, reach - 0.05)


def half_mask(part: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """All of the picture on one side of a straight line through the face."""
    return {"upper": y < 0.3, "left": x > 0, "right": x < 0}[part].astype(np.float32)


def skin_region(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where skin shows on nearly every photo, masked or not: around the eyes, along the seam."""
    side = np.abs(x)
    bridge = (side < 0.22) & (y > -0.35)
    under = (side < 0.7) & (y > 0.14)
    temple = (side > 0.72) & (side < 1.05) & (y > -0.35)
    return (bridge | under | temple) & (y < np.interp(side, *SEAM))


def skin_mask(image: np.ndarray, x: np.ndarray, y: np.ndarray, eyes: float) -> np.ndarray:
    """1 above the lower lids; below them, how much around each pixel is skin and no mask that reaches up there.

    `eyes`, their distance in pixels, sets the width that counts: the rim of glasses is too thin to matter.
    """
    own, between = to_lab(image), skin_region(x, y) & (y < 0.1)
    if between.sum() < 20:
        return np.ones_like(x)
    away = (own - np.float32(np.median(own[between], axis=0))) / SKIN_SPREAD
    skin = cv2.blur(np.exp(-((away / 1.3) ** 2).sum(-1)), (2 * int(eyes * 0.1) + 1,) * 2)
    return 1 - smoothstep(y, 0.08, 0.18) * (1 - smoothstep(skin, 0.5, 0.8))


def person_matte(matte: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """The matte; or everything, if it leaves out the skin around the eyes: then it has taken a mask for the person."""
    return matte if 2 * (matte[skin] > 127).sum() >= skin.sum() else np.full_like(matte, 255)


def measure_forehead(face: StoredFace) -> dict[str, float]:
    """`bare`: how much of the forehead is bare skin (0 to 1; little under a hat or a fringe); the skin's tone, Lab."""
    image, matte = decode_image(face.image), decode_image(face.matte)
    x, y = face_grid(face.marks, image.shape)
    skin, front = skin_region(x, y), np.hypot(x / FOREHEAD_HALF_WIDTH, (y + FOREHEAD_HEIGHT) / FOREHEAD_HALF_HEIGHT) < 1
    if min(skin.sum(), front.sum()) < 40:
        return {"bare": 0.0, "tone_l": 0.0, "tone_a": 0.0, "tone_b": 0.0}
    around, above = (to_lab(image[area][None])[0] for area in (skin, front))
    tone = np.median(around, axis=0)
    alike = (((above - tone) / SKIN_SPREAD) ** 2).sum(-1) < 1
    bare = float((alike & (person_matte(matte, skin)[front] > 127)).mean())
    return {"bare": bare} | dict(zip(("tone_l", "tone_a", "tone_b"), tone.tolist(), strict=True))


def to_lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def match_colour(donor: np.ndarray, receiver: np.ndarray, region: np.ndarray) -> np.ndarray:
    """The donor's picture in the receiver's light: middle and spread of Lab as over `region` of the receiver.

    Median and quartiles, so that a lock of hair or the rim of glasses does not count. Only skin takes on the other's
    tone; hair, brows and eyes get its light alone, or grey hair would turn blue where a pale donor meets dark skin.
    """
    if region.sum() < 40:
        return donor
    own, other = to_lab(donor), to_lab(receiver)[region]
    (low, middle, high), (floor, goal, top) = (np.percentile(one, (25, 50, 75), axis=0) for one in (own[region], other))
    gain = np.clip((top - floor + 2) / (high - low + 2), 0.75, 1.33)
    light = (goal[0] + 5) / (middle[0] + 5)
    away = own - np.float32(middle)
    skin = np.exp(-((away / SKIN_SPREAD) ** 2).sum(-1, keepdims=True))
    rest = own * np.float32([light, light**0.5, light**0.5])
    made = rest + (away * np.float32(gain) + np.float32(goal) - rest) * skin
    return np.round(np.clip(cv2.cvtColor(made, cv2.COLOR_LAB2RGB), 0, 1) * 255).astype(np.uint8)


def blend_feather(patch: np.ndarray, ground: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """`patch` over `ground` (colour or grey), as much of it as `cover` (0 to 1) says."""
    cover = cover.reshape(*cover.shape, *[1] * (ground.ndim - 2))
    return np.round(ground + (patch.astype(np.float32) - ground) * cover).astype(np.uint8)


def blend_poisson(patch: np.ndarray, ground: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """The gradients of `patch` inside, the colours of `ground` along the border; outside, `ground` to the last bit."""
    inside = np.zeros(cover.shape, np.uint8)
    inside[2:-2, 2:-2] = cover[2:-2, 2:-2] > 0.5
    x, y, width, height = cv2.boundingRect(inside)
    cloned = cv2.seamlessClone(patch, ground, inside * 255, (x + width // 2, y + height // 2), cv2.NORMAL_CLONE)
    return blend_feather(cloned, ground, np.minimum(2 * cover, 1))


def make_graft(job: GraftJob) -> dict[str, bytes]:
    """The receiver's `image` and `matte` with a part of the donor's face; nothing where too little of it is person."""
    donor, receiver = job.donor, job.receiver
    image, matte = decode_image(receiver.image), decode_image(receiver.matte)
    lay, size = align_similarity(donor.marks, receiver.marks), image.shape[1::-1]
    patch = cv2.warpAffine(
        decode_image(donor.image), lay, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    other = cv2.warpAffine(decode_image(donor.matte), lay, size, flags=cv2.INTER_LINEAR)
    x, y = face_grid(receiver.marks, image.shape)
    if job.part == "forehead":
        left, top, width, height = cv2.boundingRect((hair_mask(x, y) > 0).astype(np.uint8))
        if not width:  # the face lies outside its crop
            return {}
        at = np.s_[top : top + height, left : left + width]
        image[at], enough = blend_forehead(job, patch[at], image[at], np.stack([other[at], matte[at]]), x[at], y[at])
        if not enough:
            return {}
    else:
        frame = cv2.warpAffine(np.full_like(other, 255), lay, size, flags=cv2.INTER_NEAREST)
        cover = half_mask(job.part, x, y) * (frame > 0)
        image, matte = blend_feather(patch, image, cover), blend_feather(other, matte, cover)
    form = ".png" if receiver.image.startswith(PNG) else ".jpg"
    return {"image": encode_image(image, form), "matte": encode_image(matte, ".png")}


def blend_forehead(
    job: GraftJob, patch: np.ndarray, ground: np.ndarray, mattes: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, bool]:
    """The forehead, with the hair that is person by both mattes, on its ground; and whether enough of it is person.

    It stays inside both mattes, so the receiver's own outline remains: no second outline beside the first. Poisson
    leaves out the hair, which would take on the colours of the background along its border.
    """
    region, skin = forehead_mask(x, y), skin_region(x, y)
    both = np.minimum(*(person_matte(matte, skin) for matte in mattes))
    cover = region * (both / np.float32(255))
    enough = cover.sum() >= MIN_PERSON * region.sum() > 0
    if job.blend == "feather":
        cover = np.maximum(cover, hair_mask(x, y) * (mattes.min(0) / np.float32(255)))
    eyes = float(np.linalg.norm(job.receiver.marks[1] - job.receiver.marks[0]))
    free = np.minimum(skin_mask(patch, x, y, eyes), skin_mask(ground, x, y, eyes))
    if job.match:
        patch = match_colour(patch, ground, skin & (both > 200) & (free > 0.5))
    return (blend_poisson if job.blend == "poisson" else blend_feather)(patch, ground, cover * free), enough
