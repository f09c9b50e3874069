"""`visage predict` over files: what is read, what is reported, what is written."""

import csv
import io
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.serving.tiny_bundle import group, portraits, write_photo
from visage.cli import main
from visage.formats import photos as photo_reading
from visage.serving import predict as predict_module
from visage.serving.bundle import Bundle
from visage.serving.predict import Wanted, predict_photos


@pytest.fixture
def folder(tmp_path):
    """Three photos of drawn people and one without a face."""
    for number, image in enumerate(portraits()[:2]):
        write_photo(tmp_path / f"photos/{number}.jpg", image)
    write_photo(tmp_path / "photos/deep/group.png", group())
    write_photo(tmp_path / "photos/grey.png", np.full((300, 200, 3), 120, np.uint8))
    return tmp_path / "photos"


@pytest.fixture
def predict(bundle_folder, capsys):
    """Runs `visage predict`: exit code, lines of stdout, stderr."""

    def call(*words):
        with pytest.raises(SystemExit) as error:
            main(["predict", *map(str, words), "--model", str(bundle_folder)])
        out, err = capsys.readouterr()
        return error.value.code, out.splitlines(), err

    return call


def test_a_folder_is_read_in_order_with_all_that_lies_below_it(predict, folder):
    code, lines, _ = predict(folder, "--json")
    rows = [json.loads(line) for line in lines]
    assert code == 0
    assert [row["photo"].removeprefix(f"{folder}/") for row in rows] == ["0.jpg", "1.jpg", "deep/group.png", "grey.png"]
    assert [len(row["faces"]) for row in rows] == [1, 1, 2, 0]
    face = rows[0]["faces"][0]
    assert len(face["box"]) == 4 and len(face["landmarks"]) == 5 and 10 <= face["years"] <= 80
    assert sum(face["probabilities"]["gender"]) == pytest.approx(1, abs=1e-5)


def test_patterns_lists_and_files_name_each_photo_once(predict, folder, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{folder}/grey.png\n\n{folder}/1.jpg\n"))
    code, lines, _ = predict(folder / "0.jpg", folder / "*.jpg", "-", "--json")
    names = [json.loads(line)["photo"].rpartition("/")[2] for line in lines]
    assert (code, names) == (0, ["0.jpg", "1.jpg", "grey.png"])


def test_csv_has_a_row_for_each_face_and_one_for_a_photo_without(predict, folder):
    _, lines, _ = predict(folder, "--csv")
    rows = list(csv.DictReader(lines))
    assert [row["face"] for row in rows] == ["0", "0", "0", "1", ""]
    assert float(rows[0]["mask/worn"]) <= 1 and rows[0]["mask"] in ("worn", "incorrect", "not worn")


def odd_files(folder):
    """Files as people have them, by name: whether they can be read."""
    folder.mkdir()
    good = portraits()[0]
    picture = Image.fromarray(good)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("no picture at all")
    write_photo(folder / "whole.jpg", good)
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:9000])
    write_photo(folder / "whole.png", good)
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:9000])
    picture.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    picture.convert("L").save(folder / "grey.jpg")
    picture.convert("P").save(folder / "palette.png")
    picture.save(folder / "animated.gif", save_all=True, append_images=[picture.rotate(90)])
    picture.save(folder / "animated.webp", save_all=True, append_images=[picture.rotate(90)])
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.rotate(90, expand=True).save(folder / "sideways.jpg", exif=exif, quality=95)
    (folder / "folder.jpg").mkdir()
    return {"empty.jpg", "text.jpg", "cut.jpg", "cut.png"}


def test_odd_files_are_read_or_reported_and_the_rest_goes_on(predict, tmp_path):
    bad = odd_files(tmp_path / "odd")
    code, lines, err = predict(tmp_path / "odd", tmp_path / "missing.jpg", "--json")
    rows = {json.loads(line)["photo"].rpartition("/")[2]: json.loads(line) for line in lines}
    assert code == 1
    assert {name for name, row in rows.items() if "error" in row} == bad | {"missing.jpg"}
    assert all(len(row["faces"]) == 1 for row in rows.values() if "error" not in row)
    assert "empty.jpg: the file is empty (0 bytes)" in err and "5 of 13 photos could not be read" in err
    assert rows["sideways.jpg"]["width"] < rows["sideways.jpg"]["height"]
    upright, sideways = (rows[name]["faces"][0]["box"] for name in ("whole.jpg", "sideways.jpg"))
    assert sideways == pytest.approx(upright, abs=4)


def test_a_huge_picture_is_refused_before_it_is_decoded(predict, folder, monkeypatch):
    monkeypatch.setattr(photo_reading, "MAX_PIXELS", 384 * 512)
    code, lines, err = predict(folder, "--json")
    assert code == 1 and "more than the 196,608 that are allowed" in err
    assert "error" in json.loads(lines[2])  # the group is wider


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere/*.jpg"], "nowhere/*.jpg matches no file."),
        (["{empty}"], "holds no photos."),
        (["{folder}", "--tasks", "hair"], "knows no task 'hair'. It answers mask, gender, age"),
        (["{folder}", "--submission", "s.csv", "--faces", "all"], "one answer a photo"),
        (["{folder}", "--submission", "s.csv", "--tasks", "age"], "takes the answers of all tasks"),
        (["{folder}", "--score", "none.csv"], "none.csv is missing"),
    ],
)
def test_a_wrong_call_is_told_before_any_work(predict, folder, tmp_path, words, sentence):
    (tmp_path / "empty").mkdir()
    code, lines, err = predict(*(word.format(folder=folder, empty=tmp_path / "empty") for word in words))
    assert code == 2 and not lines and sentence in err


def test_a_folder_that_is_no_bundle_is_told_with_what_makes_one(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        main(["predict", "a.jpg", "--model", str(tmp_path)])
    assert error.value.code == 2 and "`dvc repro bundle` makes one" in capsys.readouterr().err


def test_a_submission_has_the_forms_rows_in_the_forms_order(predict, folder, tmp_path):
    (folder / "info.csv").write_text("ImageID,ans\ngrey.png,0\n1.jpg,0\n0.jpg,0\ndeep/group.png,0\n")
    code, _, _ = predict(folder, "--submission", tmp_path / "s.csv")
    rows = list(csv.DictReader((tmp_path / "s.csv").open()))
    assert code == 0 and [row["ImageID"] for row in rows] == ["grey.png", "1.jpg", "0.jpg", "deep/group.png"]
    assert all(0 <= int(row["ans"]) < 18 for row in rows)


def test_without_a_form_a_submission_names_photos_and_classes(predict, folder, tmp_path):
    predict(folder, "--submission", tmp_path / "s.csv")
    rows = list(csv.DictReader((tmp_path / "s.csv").open()))
    assert [row["photo"] for row in rows] == ["0.jpg", "1.jpg", "deep/group.png", "grey.png"]
    assert set(rows[0]) == {"photo", "mask", "gender", "age", "ans"}


def test_no_submission_is_written_unless_every_photo_has_an_answer(predict, folder, tmp_path):
    (folder / "2.jpg").write_bytes(b"")
    code, _, err = predict(folder, "--submission", tmp_path / "s.csv")
    assert code == 1 and "1 photos have no answer" in err and not (tmp_path / "s.csv").exists()


def test_answers_are_scored_by_names_numbers_or_joint_codes(predict, folder, tmp_path):
    predict(folder, "--submission", tmp_path / "s.csv")
    rows = list(csv.DictReader((tmp_path / "s.csv").open()))
    years = {"<30": 20, "30-59": 40, ">=60": 70}
    named = [f"{row['photo']},{row['mask']},{row['gender']},{years[row['age']]}" for row in rows]
    (tmp_path / "named.csv").write_text("\n".join(["photo,mask,gender,age", *named]))
    (tmp_path / "joint.csv").write_text("\n".join(["photo,ans", *(f"{row['photo']},{row['ans']}" for row in rows)]))
    for table in ("named.csv", "joint.csv"):
        code, lines, _ = predict(folder, "--score", tmp_path / table)
        assert code == 0 and lines[0].startswith("4 labelled photos")
        assert all(" 1.0000  [" in line for line in lines[1:]) and len(lines) == 5
    wrong = (int(rows[0]["ans"]) + 1) % 18
    (tmp_path / "joint.csv").write_text(f"photo,ans\n0.jpg,{wrong}\n1.jpg,{rows[1]['ans']}\n")
    _, lines, _ = predict(folder, "--score", tmp_path / "joint.csv")
    assert lines[0].startswith("2 labelled") and lines[1].endswith("accuracy 0.5000")


def test_a_box_that_is_given_wins_over_the_detectors(predict, folder, tmp_path):
    (tmp_path / "boxes.csv").write_text("photo,x0,y0,x1,y1,note\nphotos/0.jpg,10,20,110,150,\nphotos/x.jpg,1,2,3,4,\n")
    _, lines, _ = predict(folder / "0.jpg", "--boxes", tmp_path / "boxes.csv", "--json")
    [face] = json.loads(lines[0])["faces"]
    assert face["box"] == [10, 20, 110, 150] and face["by"] == "hand" and face["score"] is None


def test_drawn_copies_say_the_answers_on_small_and_large_photos(predict, tmp_path):
    image = portraits()[0]
    write_photo(tmp_path / "in/small.png", cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
    write_photo(tmp_path / "in/large/a.jpg", cv2.resize(image, None, fx=4, fy=4))
    code, _, _ = predict(tmp_path / "in", "--draw", tmp_path / "out")
    assert code == 0
    for name, least in (("small.jpg", 300), ("large/a.jpg", 1500)):
        copy = cv2.imread(str(tmp_path / "out" / name))
        assert max(copy.shape) >= least
        assert ((copy < 25).all(2).mean()) > 0.01  # the ground of the text


def test_only_the_face_that_counts_is_judged_where_it_is_asked_for(predict, folder):
    _, lines, _ = predict(folder / "deep/group.png", "--faces", "largest", "--json")
    _, all_lines, _ = predict(folder / "deep/group.png", "--json")
    [face], faces = json.loads(lines[0])["faces"], json.loads(all_lines[0])["faces"]
    assert len(faces) == 2 and face in faces


def test_large_photos_are_judged_a_few_at_a_time_with_the_same_result(bundle_folder, folder, monkeypatch):
    bundle, paths = Bundle.open(bundle_folder), sorted(folder.rglob("*.*g"))
    together = list(predict_photos(bundle, paths, Wanted()))
    monkeypatch.setattr(predict_module, "BATCH_PIXELS", 1)
    alone = list(predict_photos(bundle, paths, Wanted()))
    assert [r.path for r in alone] == paths
    for a, b in zip(together, alone, strict=True):
        assert [face.answers for face in a.faces] == [face.answers for face in b.faces]


def test_the_card_can_be_read_by_a_person(bundle_folder, capsys):
    with pytest.raises(SystemExit) as error:
        main(["bundle", "show", "--model", str(bundle_folder)])
    text = capsys.readouterr().out
    assert error.value.code == 0
    assert "joint for mask, gender, age: 2 of 24 x 32 pixels" in text and "macro F1 0.5000" in text


BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError("not installed here: " + name)
BLOCKED = {"torch", "torchvision", "pandas", "pyarrow", "pydantic", "scipy", "PIL", "dvc", "filelock", "tqdm", "onnx",
           "safetensors", "matplotlib", "rembg", "jinja2", "retinaface", "requests"}
sys.meta_path.insert(0, Blocker())
from visage.cli import main
main(sys.argv[1:])
"""


def test_a_bundle_answers_where_only_its_few_packages_are_installed(bundle_folder, folder, tmp_path):
    words = ["predict", folder, "--draw", tmp_path / "out", "--json", "--model", bundle_folder]
    done = subprocess.run([sys.executable, "-c", BLOCKER, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4
