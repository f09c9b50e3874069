"""The bundle takes the pipeline's steps: same boxes, same crops, same prepared pictures, photo for photo."""

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.serving.tiny_bundle import CROP, DETECT, group, portraits, write_photo
from visage.faces.boxes import choose_boxes, read_boxes
from visage.faces.crops import make_crop_row
from visage.faces.detectors import COLUMNS, choose_box, detect_faces, network_params
from visage.formats.shards import decode_image
from visage.networks.images import FACE_LANDMARKS, Preprocessing, prepare, preprocess
from visage.serving.bundle import Bundle
from visage.serving.predict import Wanted, find_places, open_photo


@pytest.fixture
def photos(tmp_path):
    """Photos that are decoded whole and at half their size, without a face, and with a box by hand."""
    large = cv2.resize(portraits()[2], None, fx=1.6, fy=1.6, interpolation=cv2.INTER_CUBIC)
    images = {"a.jpg": portraits()[0], "b.png": portraits()[1], "c.jpg": large, "d.jpg": group()}
    images |= {"grey.png": np.full((300, 200, 3), 120, np.uint8), "hand.jpg": portraits()[3]}
    for name, image in images.items():
        write_photo(tmp_path / name, image)
    sizes = [(name, image.shape[1], image.shape[0]) for name, image in images.items()]
    return tmp_path, pd.DataFrame(sizes, columns=["photo", "width", "height"])


def crops_of_the_pipeline(root, table, manual):
    """The rows of data/crops by photo, by way of boxes.csv as `detect` writes it."""
    network = network_params(DETECT)
    stored = detect_faces(root, table["photo"].tolist(), network)
    rows = [choose_box(photo, faces, DETECT) for photo, faces in zip(table["photo"], stored, strict=True)]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(root / "boxes.csv", index=False)
    faces = choose_boxes(table, read_boxes(root / "boxes.csv"), manual, CROP.missing).reset_index()
    return {face["photo"]: make_crop_row(root, CROP, face) for face in faces.to_dict("records")}


@pytest.mark.parametrize("box", [(100.0, 120.0, 280.0, 330.0), (10.0, 20.0, 90.0, 100.0)])
def test_crops_and_prepared_pictures_are_the_pipelines_byte_for_byte(bundle_folder, photos, box):
    root, table = photos
    manual = pd.DataFrame([box], columns=["x0", "y0", "x1", "y1"], index=["hand.jpg"])
    rows, bundle = crops_of_the_pipeline(root, table, manual), Bundle.open(bundle_folder)
    wanted = Wanted("largest", whole=True, boxes={root / "hand.jpg": np.array(box)})
    ways = [Preprocessing(32, 24), Preprocessing(48, 36, trim=0.1)]
    for name in table["photo"]:
        photo = open_photo(root / name, bundle.detector.side)
        [faces] = bundle.detect([photo.image])
        [place] = find_places(bundle, photo, faces.scale(photo.reduction), wanted)
        crop = bundle.cut(photo.read(), place)
        assert place.by == rows[name]["by"]
        assert np.array_equal(crop.image, decode_image(rows[name]["image"])), name
        assert crop.landmarks == [rows[name][point] for point in FACE_LANDMARKS]
        for way in ways:
            picture, _, _ = preprocess(rows[name], way)
            assert np.array_equal(prepare(crop.image, None, crop.landmarks, way), picture)
