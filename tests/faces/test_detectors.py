"""Detectors: the boxes of the retina-face package, whatever a photo is batched with, and messages for mistakes."""

import importlib.util
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

os.environ["DEEPFACE_BACKEND_ENGINE"] = "onnx"

from tests.conftest import PROJECT
from visage.faces.boxes import read_boxes
from visage.faces.choice import choose_face
from visage.faces.detectors import (
    BUNDLED,
    COLUMNS,
    DetectParams,
    choose_box,
    detect_all,
    detect_faces,
    find_weights,
    make_box_row,
    network_params,
    open_detector,
)
from visage.faces.retina import NO_FACES, Faces, decode_faces, input_scale, non_max_suppression
from visage.formats.headers import ORIENTATION
from visage.formats.photos import read_photo
from visage.practice import portraits
from visage.practice.people import sample_population

PUBLISHED = "weights/retinaface/.deepface/weights/retinaface.onnx"  # in the folder of real photos and weights
PARAMS = DetectParams(detector="bundled", weights="", side=0, upscale=False, threshold=0.5, batch=4, choose="largest")


@pytest.fixture(autouse=True)
def project_root(monkeypatch):
    monkeypatch.chdir(PROJECT)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    """A single portrait, a crowd, both enlarged on a wider canvas, and noise."""
    people = sample_population(99, 4)
    alone = portraits.draw_portrait(people[0], "mask1", np.random.default_rng(1)).image
    shots, rng = ["normal", "mask2", "mask3"], np.random.default_rng(2)
    crowd = portraits.draw_group(people[1:], shots, rng, size=(512, 384))[0].image
    canvas = np.zeros((403, 777, 3), np.uint8)
    canvas[:384, :288] = cv2.resize(alone, (288, 384))
    canvas[3:243, 300:620] = cv2.resize(crowd, (320, 240))
    return [alone, crowd, canvas, np.random.default_rng(3).integers(0, 256, (200, 300, 3), np.uint8)]


def package_faces(photo: np.ndarray, weights: Path, threshold: float) -> np.ndarray:
    """N x 15 of RetinaFace.detect_faces: box, score, landmarks."""
    import onnxruntime
    from retinaface import RetinaFace
    from retinaface.model.retinaface_onnx_model import RetinaFace as Network

    network = Network(onnxruntime.InferenceSession(weights))
    faces = RetinaFace.detect_faces(photo[..., ::-1], threshold=threshold, model=network, allow_upscaling=False)
    rows = [
        [*face["facial_area"], face["score"], *np.ravel(list(face["landmarks"].values()))] for face in faces.values()
    ]
    return np.array(rows, float).reshape(-1, 15)


def assert_same(faces: Faces, expected: np.ndarray) -> None:
    assert len(faces) == len(expected)
    assert faces.boxes == pytest.approx(expected[:, :4] + 0.5, abs=0.51)  # the package cuts the decimals off
    assert faces.scores == pytest.approx(expected[:, 4], abs=1e-4)
    assert faces.landmarks.reshape(-1, 10) == pytest.approx(expected[:, 5:], abs=0.05)


@pytest.mark.parametrize("threshold", [0.3, 0.9])
def test_faces_are_those_of_the_package_with_the_bundled_weights(photos, threshold):
    by_photo = open_detector(PARAMS.replace(threshold=threshold)).detect(photos)
    assert sum(map(len, by_photo)) >= (3 if threshold > 0.5 else 4)
    for photo, faces in zip(photos, by_photo, strict=True):
        assert_same(faces, package_faces(photo, BUNDLED, threshold))


def test_a_photo_larger_than_the_package_allows_is_shrunk_as_the_package_does(photos):
    large = cv2.resize(photos[0], (1160, 1547))
    [faces] = open_detector(PARAMS).detect([large])
    assert_same(faces, package_faces(large, BUNDLED, 0.5))


@pytest.mark.real
def test_faces_are_those_of_the_package_with_published_weights_on_real_photos(shared):
    root, weights = shared / "data", shared / PUBLISHED
    keys = [str(path.relative_to(root)) for path in sorted((root / "scenes640/images").iterdir())[:12]]
    keys += [str(path.relative_to(root)) for path in sorted((root / "faces300/train/images").glob("*/mask1.*"))[:12]]
    params = PARAMS.replace(detector="retinaface", weights=str(weights), threshold=0.9)
    for photo, _, faces in detect_all(root, keys, params):
        image = cv2.imread(str(root / photo))[..., ::-1]  # as detect_faces reads a path
        assert_same(faces, package_faces(image, weights, 0.9))


def test_a_face_does_not_depend_on_the_photos_it_is_batched_with(photos):
    several = [photos[0], photos[1], photos[0][:, ::-1], photos[2], photos[0] // 2, photos[0][::-1]]
    detector = open_detector(PARAMS.replace(threshold=0.2))
    for batched, photo in zip(detector.detect(several), several, strict=True):
        [alone] = detector.detect([photo])
        for field in ("boxes", "scores", "landmarks"):
            assert np.array_equal(getattr(batched, field), getattr(alone, field))


def test_a_smaller_side_finds_the_same_face_in_pixels_of_the_photo(photos):
    [full], [small] = (open_detector(PARAMS.replace(side=side)).detect(photos[:1]) for side in (0, 256))
    assert small.boxes[0] == pytest.approx(full.boxes[0], abs=25)


@pytest.mark.parametrize("upscale", [True, False])
def test_the_scale_is_that_of_the_package_for_every_shape(upscale):
    from retinaface.commons.preprocess import resize_image

    for height, width in np.random.default_rng(0).integers(30, 2600, (30, 2)):
        _, expected = resize_image(np.empty((height, width, 1), np.uint8), [1024, 1980], upscale)
        assert input_scale(height, width, side=0, upscale=upscale) == expected


def test_a_side_is_the_longer_one_and_enlarges_only_when_asked():
    assert input_scale(512, 384, side=256, upscale=False) == 0.5
    assert input_scale(100, 128, side=256, upscale=False) == 1
    assert input_scale(100, 128, side=256, upscale=True) == 2


def test_repeated_faces_are_dropped_as_in_the_package():
    from retinaface.commons.postprocess import cpu_nms

    rng = np.random.default_rng(5)
    for count in (0, 1, 60):
        corner, size = rng.uniform(0, 60, (count, 2)), rng.uniform(5, 50, (count, 2))
        scored = np.column_stack([corner, corner + size, np.sort(rng.random(count))[::-1]]).astype(np.float32)
        assert non_max_suppression(scored[:, :4]) == cpu_nms(scored, 0.4)


def test_an_anchor_without_shift_is_the_face_itself_and_a_score_at_the_threshold_counts():
    outputs = []
    for cells in (1, 2, 4):
        outputs += [np.zeros((2, cells, cells, width), np.float32) for width in (4, 8, 20)]
    outputs[6][1, 2, 3, 2:] = 0.5, 0.25  # stride 8, second photo, row 2, column 3: its large and its small anchor
    no_faces, faces = decode_faces(outputs, 32, 32, threshold=0.5)
    assert len(no_faces) == 0
    assert faces.boxes.tolist() == [[16, 8, 31, 31]]  # centre (31.5, 23.5), side 32, clipped to the photo
    assert faces.landmarks[0, 2].tolist() == [31.5, 23.5]


def test_the_rules_choose_the_largest_the_most_central_and_the_best():
    three = np.array([[0, 0, 20, 20], [60, 60, 100, 110], [45, 45, 55, 55]], np.float32)
    faces = Faces(three, np.array([0.9, 0.8, 0.7]), np.zeros((3, 5, 2)))
    expected = {"best_score": 0, "largest": 1, "most_central": 2}
    assert {rule: choose_face(faces, (100, 100, 3), rule) for rule in expected} == expected
    assert choose_face(NO_FACES, (100, 100, 3), "largest") is None


def test_no_face_is_empty_cells_and_unknown_landmarks_are_empty_too():
    empty = make_box_row("a.jpg", NO_FACES, (40, 40), "largest")
    assert empty == dict.fromkeys(COLUMNS) | {"photo": "a.jpg", "faces": 0, "source": "none"}
    [centre] = open_detector(PARAMS.replace(detector="centre")).detect([np.zeros((40, 80, 3), np.uint8)])
    row = make_box_row("b.jpg", centre, (40, 80), "largest")
    assert [row[name] for name in ("x0", "y0", "x1", "y1", "nose_x", "faces")] == [20, 10, 60, 30, None, 1]


def test_read_boxes_gives_the_rows_back_also_of_a_photo_called_nan(tmp_path):
    face = Faces(np.array([[1, 2, 3.25, 4]]), np.array([0.9]), np.arange(10.0).reshape(1, 5, 2))
    rows = [make_box_row("nan", face, (40, 40), "largest"), make_box_row("b.jpg", NO_FACES, (40, 40), "largest")]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(tmp_path / "boxes.csv", index=False)
    boxes = read_boxes(tmp_path / "boxes.csv")
    assert boxes.loc["nan"].to_dict() == {name: rows[0][name] for name in COLUMNS[1:]}
    assert boxes.loc["b.jpg", list(COLUMNS[1:-2])].isna().all()


def test_rows_come_in_the_order_of_the_photos_and_few_photos_are_read_ahead(tmp_path, photos, monkeypatch):
    monkeypatch.setenv("VISAGE_WORKERS", "2")
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number}.png"), photos[number % 3][..., ::-1])
    keys = [f"{number}.png" for number in range(40)] + ["missing.png"] * 1000
    params = PARAMS.replace(batch=2, side=128)
    assert [photo for photo, *_ in islice(detect_all(tmp_path, keys, params), 30)] == keys[:30]
    rows = list(islice(detect_faces(tmp_path, keys, params), 30))
    assert list(detect_faces(tmp_path, keys[7:9], params)) == rows[7:9]


@pytest.mark.parametrize("threshold", [0.01, 0.3, 0.9, 0.999])
def test_stored_faces_give_for_any_threshold_what_a_run_at_that_threshold_gives(tmp_path, photos, threshold):
    keys = [f"{number}.png" for number in range(len(photos))]
    for key, photo in zip(keys, photos, strict=True):
        cv2.imwrite(str(tmp_path / key), photo[..., ::-1])
    params = PARAMS.replace(threshold=threshold, choose="best_score")
    stored = detect_faces(tmp_path, keys, network_params(params))
    rows = [choose_box(key, faces, params) for key, faces in zip(keys, stored, strict=True)]
    direct = [
        make_box_row(photo, faces, size, "best_score") for photo, size, faces in detect_all(tmp_path, keys, params)
    ]
    assert rows == direct


def test_neither_the_threshold_nor_the_choice_changes_what_is_stored():
    changed = PARAMS.replace(threshold=0.9, choose="most_central")
    assert network_params(changed) == network_params(PARAMS)
    assert network_params(PARAMS.replace(threshold=0.01)) != network_params(PARAMS)  # too low to be stored anyway


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("side", [0, 256, 128])
def test_a_jpeg_that_is_decoded_smaller_shows_the_same_face(tmp_path, photos, side, orientation):
    """To a pixel and a half of what the network sees; also photos that EXIF turns upright."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = cv2.resize(np.rot90(photos[0], {1: 0, 3: 2, 6: 1}[orientation]), None, fx=1.1, fy=1.1)
    Image.fromarray(stored).save(tmp_path / "a.jpg", quality=95, exif=exif)
    upright = read_photo(tmp_path, "a.jpg")
    [(_, size, faces)] = detect_all(tmp_path, ["a.jpg"], PARAMS.replace(side=side, threshold=0.2))
    [whole] = open_detector(PARAMS.replace(side=side, threshold=0.2)).detect([upright])
    assert size == upright.shape[:2]
    assert faces.boxes[0] == pytest.approx(whole.boxes[0], abs=1.5 * max(1, max(size) / (side or 1e9)))


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data[100:]])
def test_a_damaged_photo_gets_a_sentence_with_its_name(tmp_path, photos, damage):
    data = cv2.imencode(".jpg", photos[0])[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(damage(data))
    with pytest.raises(ValueError, match=r"a\.jpg"):
        list(detect_faces(tmp_path, ["a.jpg"], PARAMS))


def test_a_photo_that_is_not_there_stops_the_work_with_its_name(tmp_path):
    with pytest.raises(ValueError, match=r"missing\.jpg"):
        list(detect_faces(tmp_path, ["missing.jpg"], PARAMS))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"side": 5}, "side is 5, and should be 0 or at least 32"),
        ({"threshold": 1.5}, "threshold is 1.5, and should be above 0 and below 1"),
        ({"batch": 0}, "batch is 0, and should be 1 or more"),
        ({"detector": "yunet"}, "weights is '', and should be the path of a YuNet"),
    ],
)
def test_a_wrong_value_gets_a_sentence_that_says_what_is_legal(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        PARAMS.replace(**change)


def test_weights_that_are_not_there_are_named():
    with pytest.raises(ValueError, match="nowhere.onnx is not there"):
        open_detector(PARAMS.replace(weights="nowhere.onnx"))
    assert find_weights(PARAMS.replace(detector="centre")) is None


def test_offline_a_message_says_where_the_packages_weights_are_and_where_they_go(tmp_path):
    script = "from tests.faces.test_detectors import *; open_detector(PARAMS.replace(detector='retinaface'))"
    dead_proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    process = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | dead_proxies | {"DEEPFACE_HOME": str(tmp_path)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert "Fetch https://github.com/serengil/deepface_models/releases" in process.stderr
    assert f"save it as {tmp_path}/.deepface/weights/retinaface.onnx" in process.stderr


def test_without_the_mtcnn_package_a_message_says_how_to_install_it():
    if importlib.util.find_spec("mtcnn"):
        pytest.skip("mtcnn is installed")
    with pytest.raises(ValueError, match=r"pip install 'visage\[mtcnn\]'"):
        open_detector(PARAMS.replace(detector="mtcnn"))


@pytest.mark.real
def test_yunet_finds_the_same_faces_as_retinaface_on_real_photos(shared):
    root = shared / "data/faces300/train/images"
    keys = [str(path.relative_to(root)) for path in sorted(root.glob("*/normal.*"))[:20]]
    yunet = PARAMS.replace(
        detector="yunet", weights=str(next((shared / "weights/yunet").glob("*.onnx"))), threshold=0.6
    )
    retinaface = PARAMS.replace(detector="retinaface", weights=str(shared / PUBLISHED))
    ours, theirs = (
        pd.DataFrame(
            make_box_row(photo, faces, size, "largest") for photo, size, faces in detect_all(root, keys, params)
        )
        for params in (yunet, retinaface)
    )
    eyes = ["right_eye_x", "right_eye_y", "left_eye_x", "left_eye_y"]
    assert (ours[eyes] - theirs[eyes]).abs().median().max() < 12
    assert (ours["right_eye_x"] < ours["left_eye_x"]).mean() > 0.9
