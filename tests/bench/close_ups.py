"""How much of a crop lies outside its photo, where photos are tight close-ups?

    python -m tests.bench.close_ups photos/ --out close_ups/ --count 1499

Cuts every photo below `photos` in which the bundled detector finds a face to a square around that face, 200 x 200
pixels (none where the square would leave the photo), and runs the stages `detect` and `crop` on these close-ups, once
for each of VARIANTS. Below `--out` it leaves the close-ups, and for each variant its crops and their contact sheet.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import yaml

from tests.bench.measure import PROJECT
from visage.faces.detectors import DetectParams, detect_all
from visage.formats.columns import MANUAL_BOX_COLUMNS
from visage.formats.photos import read_photo
from visage.formats.shards import encode_image, read_rows
from visage.runtime.params import load

SIDE = 200  # pixels
VARIANTS = {
    "blur": {"margin": 0.25, "pad": "blur"},
    "reflect": {"margin": 0.25, "pad": "reflect"},
    "mean": {"margin": 0.25, "pad": "mean"},
    "auto": {"margin": "auto", "pad": "blur"},
    "auto, square": {"margin": "auto", "pad": "blur", "shape": "square"},
}
SUFFIXES = (".jpg", ".jpeg", ".png")
DETECTOR = str(PROJECT / "models/bundled/detector.onnx")


def write_close_ups(source: Path, out: Path, count: int) -> None:
    """Up to `count` close-ups in out/raw, and their out/photos.csv."""
    params = load(DetectParams, "detect", path=PROJECT / "params.yaml").replace(weights=DETECTOR)
    photos = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.*") if path.suffix in SUFFIXES)
    (out / "raw").mkdir(parents=True, exist_ok=True)
    rows = []
    for photo, _, faces in detect_all(source, photos, params):
        image = read_photo(source, photo)
        close_up = cut_square(image, faces.boxes[0]) if len(faces) else None
        if close_up is None:
            continue
        name = f"{len(rows):05d}.jpg"
        (out / "raw" / name).write_bytes(encode_image(close_up))
        rows.append({"photo": name, "split": "train", "person": name, "width": SIDE, "height": SIDE})
        if len(rows) == count:
            break
    pd.DataFrame(rows).to_csv(out / "photos.csv", index=False)


def cut_square(image: np.ndarray, box: np.ndarray) -> np.ndarray | None:
    """The square around the box, or None where it leaves the photo."""
    half, centre = (box[2:] - box[:2]).max() / 2, (box[:2] + box[2:]) / 2
    (x0, y0), (x1, y1) = (centre - half).round().astype(int), (centre + half).round().astype(int)
    if min(x0, y0) < 0 or x1 > image.shape[1] or y1 > image.shape[0]:
        return None
    return cv2.resize(image[y0:y1, x0:x1], (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def run_stage(out: Path, name: str, *words: str) -> str:
    command = [sys.executable, str(PROJECT / f"stages/{name}.py"), *words]
    return subprocess.run(command, cwd=out, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1499)
    args = parser.parse_args()
    out = args.out.resolve()
    if not (out / "photos.csv").exists():
        write_close_ups(args.photos, out, args.count)
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params["detect"]["weights"] = DETECTOR
    (out / "params.yaml").write_text(yaml.safe_dump(params))
    (out / "manual.csv").write_text(",".join(MANUAL_BOX_COLUMNS) + "\n")
    print(run_stage(out, "detect", "raw", "photos.csv", "boxes.csv", "missed.csv"))
    for name, changes in VARIANTS.items():
        (out / "params.yaml").write_text(yaml.safe_dump(params | {"crop": params["crop"] | changes}))
        folder = out / name.replace(", ", "-")
        output = run_stage(out, "crop", "raw", "photos.csv", "boxes.csv", "manual.csv", f"{folder}/crops", f"{folder}")
        outside = [row["outside"] for row in read_rows(folder / "crops", ["outside"])]
        shares = ", ".join(f"{share:.3f}" for share in np.quantile(outside, [0.1, 0.5, 0.9]))
        print(f"\n{name}: outside {shares} (10%, median, 90%) of {len(outside):,} crops.\n{output}")


if __name__ == "__main__":
    main()
