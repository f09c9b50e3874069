"""Bad inputs, each with its sentence: nobody should have to guess what is wrong with their photos."""

import shutil

import pandas as pd
import pytest
from PIL import Image

from tests.conftest import picture
from visage.formats import photos as photos_module
from visage.formats.columns import CORRECTION_COLUMNS
from visage.formats.tasks import Task
from visage.index.layouts import IndexParams, read_layout
from visage.index.photo_table import build_photo_table, size_reader
from visage.runtime.parallel import map_threads

TASKS = [
    Task("mask", ("worn", "incorrect", "not worn"), "mask"),
    Task("gender", ("male", "female"), "gender"),
    Task("age", ("<30", "30-59", ">=60"), "age", (30, 60)),
]
PEOPLE = [("000001", "male", "20"), ("000002", "female", "60"), ("000002-1", "male", "59")]
PERSON = "train/images/000001_male_Asian_20"


def index(root, on_bad="stop", layout="competition", table=None, tasks=TASKS, corrections=()):
    params = IndexParams(layout=layout, table=table, on_bad=on_bad, label_confidence=0.5)
    photos, problems = read_layout(root, params)
    sizes = list(map_threads(size_reader(root), photos["photo"]))
    corrections = pd.DataFrame(corrections, columns=CORRECTION_COLUMNS, index=range(2, len(corrections) + 2))
    return build_photo_table(photos, sizes, problems, tasks, corrections, params, corrections_file="labels.csv")


def test_the_competitions_layout_becomes_one_table(competition):
    result = index(competition(PEOPLE))
    assert len(result.photos) == 3 * 7 + 2
    assert list(result.photos) == ["photo", "split", "person", "mask", "gender", "age", "age_value", "width", "height"]
    photo = result.photos.set_index("photo").loc[f"{PERSON}/incorrect_mask.png"]
    assert photo.tolist() == ["train", "000001_male_Asian_20", "incorrect", "male", "<30", "20", 12, 16]
    assert result.photos.query("split == 'eval'")[["person", "mask", "gender", "age"]].eq("").all().all()
    assert result.counts["photos"] == {"train": 21, "eval": 2}
    assert result.counts["classes"]["mask"] == {"worn": 15, "incorrect": 3, "not worn": 3}
    assert result.counts["people"] == 3


def test_photos_without_any_label_are_told_what_to_do(tmp_path):
    picture(tmp_path / "eval/a.png")
    with pytest.raises(ValueError, match="none of the 1 photos has a label.*list these as `eval`"):
        index(tmp_path, layout="table")
    (tmp_path / "photos.csv").write_text("photo\neval/a.png\n")
    with pytest.raises(ValueError, match="none of the 1 photos has a label"):
        index(tmp_path, layout="table", table="photos.csv")


def test_photos_in_no_folder_are_told_of_folders_and_tables(tmp_path):
    for name in ("a.png", "b.png"):
        picture(tmp_path / name)
    with pytest.raises(ValueError, match=r"a.png and 1 more lie in no folder.*name it in index.table"):
        index(tmp_path, layout="table")


def test_the_labels_as_they_came_know_of_no_correction(competition):
    correction = ("000001_male_Asian_20", "", "gender", "female", "1", "", "")
    root = competition(PEOPLE)
    plain, corrected = index(root), index(root, corrections=[correction])
    assert (plain.photos["gender"] != corrected.photos["gender"]).sum() == 7
    pd.testing.assert_frame_equal(plain.original, corrected.original)
    assert list(plain.original) == ["photo", "person", "mask", "gender", "age"] and len(plain.original) == 21


def test_where_the_label_that_came_is_no_class_the_correction_stands_in(competition):
    root = competition([("000001", "mal", "20"), ("000002", "female", "60")])
    result = index(root, corrections=[("000001_mal_Asian_20", "", "gender", "male", "1", "", "")])
    assert set(result.original["gender"]) == {"male", "female"}


def test_one_id_may_name_two_people(competition):
    result = index(competition([("003397", "male", "20"), ("003397", "female", "41")]))
    assert result.counts["people"] == 2


def test_junk_whose_name_starts_with_a_dot_is_not_seen(competition):
    root = competition(PEOPLE)
    (root / PERSON / "._normal.jpg").write_bytes(b"junk")
    (root / "train/images/._000001_male_Asian_20").mkdir()
    (root / "eval/images/._x.jpg").write_bytes(b"junk")
    assert len(index(root).photos) == 23


def test_the_table_does_not_depend_on_the_order_of_the_csv(competition):
    root = competition(PEOPLE)
    first = index(root).photos
    lines = (root / "train/train.csv").read_text().splitlines()
    (root / "train/train.csv").write_text("\n".join([lines[0], *lines[:0:-1]]))
    assert index(root).photos.equals(first)


def cut_short(path):
    Image.effect_noise((64, 64), 99).crop((0, 0, 16, 20)).save(path, quality=100)
    path.write_bytes(path.read_bytes()[:-60])


def spoil(root, fault):
    """One thing wrong with a good set."""
    csv, folder, info = root / "train/train.csv", root / PERSON, root / "eval/info.csv"
    text = csv.read_text()
    answer = root / "eval/images" / f"{0:040x}.jpg"
    actions = {
        "missing csv": csv.unlink,
        "missing info": info.unlink,
        "missing column": lambda: csv.write_text(text.replace("id,gender,race,age", "id,sex,race,age")),
        "not utf-8": lambda: csv.write_bytes(text.replace("Asian", "Asiân").encode("latin-1")),
        "listed twice": lambda: csv.write_text(text + text.splitlines()[1] + "\n"),
        "shot missing": (folder / "normal.jpg").unlink,
        "strange shot": lambda: picture(folder / "selfie.jpg"),
        "two of one shot": lambda: picture(folder / "normal.png"),
        "unknown gender": lambda: csv.write_text(text.replace("1,male", "1,mail")),
        "age in words": lambda: csv.write_text(text.replace("Asian,20", "Asian,twenty")),
        "unreadable": lambda: (folder / "normal.jpg").write_bytes(b"no picture"),
        "truncated": lambda: cut_short(folder / "mask5.jpg"),
        "zero bytes": lambda: (folder / "normal.jpg").write_bytes(b""),
        "oversized": lambda: Image.new("1", (10, 41)).save(folder / "mask3.png"),
        "folder absent": lambda: shutil.rmtree(folder),
        "folder unlisted": lambda: (root / "train/images/stranger").mkdir(),
        "answer absent": answer.unlink,
        "answer unlisted": lambda: picture(root / "eval/images/extra.jpg"),
        "answer twice": lambda: info.write_text(info.read_text() + f"{0:040x}.jpg,0\n"),
        "loop": lambda: (
            (root / "train/images/loop").symlink_to("loop"),
            csv.write_text(text + "9,male,Asian,20,loop\n"),
        ),
        "path leaves": lambda: csv.write_text(text.replace(",000001_male_Asian_20", ",../000001_male_Asian_20")),
        "image id leaves": lambda: info.write_text(info.read_text() + "../train/train.csv,0\n"),
        "no table": lambda: csv.write_text(""),
    }
    actions[fault]()


SENTENCES = {
    "shot missing": f"train/train.csv, row 2: the folder {PERSON} lacks normal; wanted are normal, incorrect_mask, "
    "mask1, mask2, mask3, mask4, mask5.",
    "strange shot": f"train/train.csv, row 2: the folder {PERSON} holds selfie; wanted are",
    "two of one shot": f"the folder {PERSON} holds normal.jpg and normal.png for one shot; wanted are",
    "listed twice": "train/train.csv, row 5: the folder 000001_male_Asian_20 is listed twice; a person is one folder.",
    "unknown gender": "train/train.csv, row 2: gender 'mail' is not one of male, female. Did you mean 'male'?",
    "age in words": "train/train.csv, row 2: age 'twenty' is not a number; write one such as 34.",
    "unreadable": f"{PERSON}/normal.jpg: the file is not a picture that can be read.",
    "truncated": f"{PERSON}/mask5.jpg: the picture is damaged or cut short",
    "zero bytes": f"{PERSON}/normal.jpg: the file is empty (0 bytes).",
    "oversized": f"{PERSON}/mask3.png: the picture has 10x41 pixels, more than the 400 that are allowed.",
    "folder absent": f"train/train.csv, row 2: the folder {PERSON} is listed, but is not there.",
    "folder unlisted": "train/train.csv: the folder train/images/stranger is there, but no row lists it.",
    "answer absent": f"eval/info.csv, row 2: the photo eval/images/{0:040x}.jpg is listed, but is not there.",
    "answer unlisted": "eval/info.csv: the photo eval/images/extra.jpg is there, but no row lists it.",
    "answer twice": f"eval/info.csv, row 4: the photo eval/images/{0:040x}.jpg is listed twice.",
    "loop": "train/train.csv, row 5: the folder train/images/loop is listed, but is not there.",
    "path leaves": "row 2: path '../000001_male_Asian_20' should be the name of one folder in train/images.",
    "image id leaves": "info.csv, row 4: ImageID '../train/train.csv' should be the name of one file in eval/images.",
}
FATAL = {
    "missing csv": "train.csv is missing; wanted is a CSV file with the columns id, gender, age, path.",
    "missing info": "info.csv is missing; wanted is a CSV file with the columns ImageID.",
    "missing column": "train.csv lacks the column gender; it has id, sex, race, age, path.",
    "not utf-8": "train.csv, row 2: the file is not UTF-8, it seems to be Latin-1 (Windows-1252); save it as UTF-8.",
    "no table": "train.csv is not a table:",
}


@pytest.mark.parametrize("fault", SENTENCES)
def test_a_problem_stops_with_its_sentence(competition, monkeypatch, fault):
    monkeypatch.setattr(photos_module, "MAX_PIXELS", 400)
    root = competition(PEOPLE)
    spoil(root, fault)
    with pytest.raises(ValueError) as error:
        index(root)
    assert SENTENCES[fault] in str(error.value)


@pytest.mark.parametrize("fault", sorted(SENTENCES))
def test_skip_leaves_out_what_has_a_problem_and_writes_down_why(competition, monkeypatch, fault):
    monkeypatch.setattr(photos_module, "MAX_PIXELS", 400)
    root = competition(PEOPLE)
    spoil(root, fault)
    result = index(root, on_bad="skip")
    assert len(result.rejected) == result.counts["rejected"] >= 1
    assert result.rejected["problem"].str.len().min() > 10
    assert result.photos["photo"].is_unique
    assert set(result.photos["photo"]).isdisjoint(result.rejected["photo"])


@pytest.mark.parametrize("fault", FATAL)
@pytest.mark.parametrize("on_bad", ["stop", "skip"])
def test_a_table_that_cannot_be_read_always_stops(competition, fault, on_bad):
    root = competition(PEOPLE)
    spoil(root, fault)
    with pytest.raises(ValueError) as error:
        index(root, on_bad=on_bad)
    assert FATAL[fault] in str(error.value)


@pytest.mark.parametrize("name", ["photo", "split", "person", "shot", "id_shot", "mask", "row"])
def test_a_column_with_a_name_that_index_fills_itself_is_told(competition, name):
    root = competition(PEOPLE)
    csv = root / "train/train.csv"
    csv.write_text(csv.read_text().replace("race", name))
    with pytest.raises(
        ValueError, match=rf"train\.csv has a column named {name}, which index makes itself; rename it\."
    ):
        index(root)


def test_a_comma_at_the_end_of_every_row_changes_nothing(competition):
    root = competition(PEOPLE)
    expected, csv = index(root), root / "train/train.csv"
    header, *rows = csv.read_text().splitlines()
    csv.write_text("\n".join([header, *(row + "," for row in rows)]))
    assert index(root).photos.equals(expected.photos)


def test_a_wrong_row_is_named_as_an_editor_counts_lines(competition):
    root = competition(PEOPLE)
    csv = root / "train/train.csv"
    csv.write_text(csv.read_text().replace("id,gender", "\nid,gender").replace("male,Asian,59", 'mail,"a\nb",59'))
    with pytest.raises(ValueError, match=r"train\.csv, row 5: gender 'mail' is not one of"):
        index(root)
    csv.write_text(csv.read_text().replace("Asian,60", '"a\n\nb",60'))
    with pytest.raises(ValueError, match=r"train\.csv, row 7: gender 'mail' is not one of"):
        index(root)


def test_a_field_may_have_any_name(competition):
    root = competition(PEOPLE)
    csv = root / "train/train.csv"
    csv.write_text(csv.read_text().replace("race", "hair colour").replace("Asian,20", "black,20"))
    task = Task("hair", ("black", "Asian"), "hair colour")
    assert index(root, tasks=[task]).counts["classes"]["hair"] == {"black": 7, "Asian": 14}


def test_all_problems_are_told_at_once(competition):
    root = competition(PEOPLE)
    for fault in ("folder unlisted", "age in words", "answer absent", "zero bytes"):
        spoil(root, fault)
    with pytest.raises(ValueError) as error:
        index(root)
    assert str(error.value).splitlines()[0].startswith("4 problems with the photos")
    assert len(str(error.value).splitlines()) == 5


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"is not there; put your photos in it, or set data\.name"):
        index(tmp_path / "nowhere")


def test_a_label_that_the_photos_do_not_have_is_told(competition):
    with pytest.raises(ValueError, match=r"labels\.hair\.field is 'hair', which the photos do not have; they have"):
        index(competition(PEOPLE), tasks=[Task("hair", ("long", "short"), "hair")])


def test_nothing_left_to_train_on_is_told_with_the_problems(tmp_path):
    picture(tmp_path / "eval/a.jpg")
    picture(tmp_path / "sad/b.jpg")
    with pytest.raises(ValueError, match=r"^no photo to train on is left\.\n.*sad/b.jpg"):
        index(tmp_path, "skip", layout="table", tasks=[Task("mask", ("with", "without"), "folder")])


def test_a_correction_moves_the_class(competition):
    corrections = [["000001", "", "age", "61", "1", "", ""], ["", "000002/normal", "mask", "incorrect", "1", "", ""]]
    result = index(competition(PEOPLE), corrections=corrections)
    photos = result.photos.set_index("photo")
    assert photos.loc[f"{PERSON}/normal.jpg", ["age", "age_value"]].tolist() == [">=60", "61"]
    assert photos.loc["train/images/000002_female_Asian_60/normal.jpg", "mask"] == "incorrect"
    assert result.counts["corrected"] == 8


def test_any_table_with_a_photo_column_will_do(tmp_path):
    for name in ("a.jpg", "deep/b.png", "c.jpg"):
        picture(tmp_path / name)
    (tmp_path / "faces.csv").write_text("photo,person,sex,split\na.jpg,ann,f,\ndeep/b.png,bob,m,train\nc.jpg,,,eval\n")
    result = index(tmp_path, layout="table", table="faces.csv", tasks=[Task("sex", ("f", "m"), "sex")])
    assert result.photos[["photo", "split", "person", "sex"]].to_numpy().tolist() == [
        ["a.jpg", "train", "ann", "f"], ["c.jpg", "eval", "", ""], ["deep/b.png", "train", "bob", "m"],
    ]  # fmt: skip


def test_a_table_may_name_the_people_of_photos_to_answer(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        picture(tmp_path / name)
    rows = "a.jpg,ann,f,\nb.jpg,bob,,eval\nc.jpg,bob,,eval\nd.jpg,,,eval\n"
    (tmp_path / "faces.csv").write_text(f"photo,person,sex,split\n{rows}")
    result = index(tmp_path, layout="table", table="faces.csv", tasks=[Task("sex", ("f", "m"), "sex")])
    assert result.photos["person"].tolist() == ["ann", "bob", "bob", ""]


def test_a_bad_photo_to_answer_leaves_the_others_of_its_person_in(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        picture(tmp_path / name)
    rows = "a.jpg,ann,f,\nb.jpg,ann,x,\nc.jpg,ann,,eval\nlost.jpg,bob,,eval\nd.jpg,bob,,eval\ne.jpg,eve,m,\n"
    picture(tmp_path / "d.jpg"), picture(tmp_path / "e.jpg")
    (tmp_path / "faces.csv").write_text(f"photo,person,sex,split\n{rows}")
    tasks = [Task("sex", ("f", "m"), "sex")]
    result = index(tmp_path, layout="table", table="faces.csv", tasks=tasks, on_bad="skip")
    assert result.photos["photo"].tolist() == ["c.jpg", "d.jpg", "e.jpg"]  # ann has a bad label, bob a missing photo


def test_without_people_every_photo_is_its_own_person(tmp_path):
    picture(tmp_path / "a.jpg")
    (tmp_path / "faces.csv").write_text("photo,sex\na.jpg,f\n")
    result = index(tmp_path, layout="table", table="faces.csv", tasks=[Task("sex", ("f", "m"), "sex")])
    assert result.photos["person"].tolist() == ["a.jpg"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("../x.jpg,f,train", "faces.csv, row 3: '../x.jpg' leaves the data folder"),
        ("gone.jpg,f,train", "faces.csv, row 3: the photo gone.jpg is listed, but is not there."),
        ("a.jpg,f,train", "faces.csv, row 3: the photo a.jpg is listed twice."),
        ("b.jpg,f,test", "faces.csv, row 3: split 'test' is not one of train, eval."),
        ("b.jpg,x,train", "faces.csv, row 3: b.jpg: sex 'x' is not one of f, m."),
    ],
)
def test_a_bad_row_of_a_table_is_told(tmp_path, line, sentence):
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "b.jpg")
    (tmp_path / "faces.csv").write_text(f"photo,sex,split\na.jpg,f,train\n{line}\n")
    with pytest.raises(ValueError) as error:
        index(tmp_path, layout="table", table="faces.csv", tasks=[Task("sex", ("f", "m"), "sex")])
    assert sentence in str(error.value)


def test_one_folder_per_class_will_do(tmp_path):
    for name in ("with/a.jpg", "without/b.jpg", "eval/c.jpg", "with/._a.jpg"):
        picture(tmp_path / name)
    result = index(tmp_path, layout="table", tasks=[Task("mask", ("with", "without"), "folder")])
    assert result.photos[["photo", "split", "mask"]].to_numpy().tolist() == [
        ["eval/c.jpg", "eval", ""], ["with/a.jpg", "train", "with"], ["without/b.jpg", "train", "without"],
    ]  # fmt: skip


def test_a_folder_that_is_no_class_is_told_with_its_photo(tmp_path):
    picture(tmp_path / "holiday/a.jpg")
    with pytest.raises(ValueError, match=r"holiday/a\.jpg: folder 'holiday' is not one of with, without\."):
        index(tmp_path, layout="table", tasks=[Task("mask", ("with", "without"), "folder")])


def test_a_photo_may_have_any_name(tmp_path):
    for name in ("nan", "NA", "007"):
        picture(tmp_path / f"{name}.jpg").rename(tmp_path / name)
    (tmp_path / "faces.csv").write_text("photo,person,sex\nnan,NA,f\nNA,nan,f\n007,1e3,m\n")
    result = index(tmp_path, layout="table", table="faces.csv", tasks=[Task("sex", ("f", "m"), "sex")])
    assert result.photos["photo"].tolist() == ["007", "NA", "nan"]
    assert result.photos["person"].tolist() == ["1e3", "nan", "NA"]
