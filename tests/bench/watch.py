"""Videos watched with the pipeline's bundle: events and identities on drawn ones and on panned stills, and speed."""

import json
import tempfile
from pathlib import Path

import cv2
import numpy as np

from tests.bench.measure import PROJECT, SHARED, figure, run
from tests.video.drawn_video import FPS, SIZE, crossing_roles, draw_frames, true_events
from tests.video.panned_scene import count_changes, pan, read_scenes
from visage.faces.retina import RetinaFace
from visage.video.tracking import Tracker

BUNDLE, SEEDS, SCENES, SMALLEST = PROJECT / "models/bundle", (3, 11, 12), 24, 32.0  # px of a face


def watch_drawn(seed: int, *options: str) -> tuple[int, int, int, float]:
    """(events that are wrong or more than 0.5 s off, true events, faces too many or too few, CPU seconds a frame)."""
    roles = crossing_roles(seed)
    with tempfile.TemporaryDirectory() as folder:
        path, frames = Path(folder) / "in.avi", 0
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), FPS, SIZE)
        for frame in draw_frames(roles, seed=seed):
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
            frames += 1
        writer.release()
        words = ["-m", "visage", "watch", str(path), str(Path(folder) / "out.mp4"), "--model", str(BUNDLE), *options]
        cost = run(*words, cwd=PROJECT)
        events = [json.loads(line) for line in (Path(folder) / "out.jsonl").read_text().splitlines()]
    truth = true_events(roles)
    rest = [(event["time"], event["text"].split(" (")[0], event["answers"]["mask"]) for event in events]
    missed = 0
    for time, text, mask in truth:
        matches = [row for row in rest if row[1:] == (text, mask) and abs(row[0] - time) <= 0.5]
        missed += not matches
        if matches:
            rest.remove(matches[0])
    faces = len({event["face"] for event in events})
    return missed + len(rest), len(truth), abs(faces - len(roles)), cost.cpu / frames


def watch_scenes() -> dict[str, int]:
    """Numbers that change and numbers that two faces share, over panned and zoomed stills."""
    detector = RetinaFace(PROJECT / "models/bundled/detector.onnx", side=640, upscale=False, threshold=0.3, batch=1)
    total = {"faces": 0, "changes": 0, "shared": 0}
    for photo, boxes in read_scenes(SHARED / "data/scenes640", SCENES):
        tracker, sights = Tracker(), []
        for time, frame, truth in pan(photo, boxes, seconds=10.0):
            faces = detector.detect([frame])[0]
            tracks, _ = tracker.update(time, frame, faces.boxes, faces.scores)
            sights.append((faces.boxes, [track.number if track else 0 for track in tracks], truth))
        for name, value in count_changes(sights, SIZE, SMALLEST).items():
            total[name] += value
    return total


def figures() -> dict[str, dict]:
    rows = {}
    if (BUNDLE / "card.json").is_file():
        drawn = np.array([watch_drawn(seed) for seed in SEEDS])
        every = np.array([watch_drawn(seed, "--every", "3") for seed in SEEDS[:1]])
        rows |= {
            "watch: wrong events, drawn": figure(drawn[:, 0].sum(), 0, "lower", f"of {drawn[:, 1].sum():.0f}"),
            "watch: faces too many or few, drawn": figure(drawn[:, 2].sum(), 0, "lower", "faces"),
            "watch: wrong events, every third frame": figure(
                every[:, 0].sum(), 0, "lower", f"of {every[:, 1].sum():.0f}"
            ),
            "watch: frames a CPU second, 640x360, drawn": figure(1 / drawn[:, 3].mean(), 25, "higher", "frames/s"),
        }
    if SHARED.is_dir():
        scenes = watch_scenes()
        share = {name: scenes[name] / scenes["faces"] for name in ("changes", "shared")}
        rows |= {
            "watch: numbers changed in view, a panned face": figure(share["changes"], 0.05, "lower", "a face"),
            "watch: numbers shared by two panned faces": figure(share["shared"], 0.05, "lower", "a face"),
        }
    return rows
