import pytest

from visage.annotator.adoption import adopt_folder


def test_a_folder_is_linked_and_its_corrections_begin_empty(tmp_path):
    (tmp_path / "mine").mkdir()
    new = adopt_folder("holiday", tmp_path / "mine", tmp_path / "raw", tmp_path / "manual")
    assert (tmp_path / "raw/holiday").resolve() == tmp_path / "mine"
    assert [path.name for path in new] == ["holiday", "boxes.csv", "labels.csv"]
    assert (tmp_path / "manual/holiday/boxes.csv").read_text() == "photo,x0,y0,x1,y1,note\n"


def test_what_is_there_already_stays(tmp_path):
    (tmp_path / "mine").mkdir()
    adopt_folder("holiday", tmp_path / "mine", tmp_path / "raw", tmp_path / "manual")
    (tmp_path / "manual/holiday/boxes.csv").write_text("drawn by hand")
    assert adopt_folder("holiday", tmp_path / "mine", tmp_path / "raw", tmp_path / "manual") == []
    assert (tmp_path / "manual/holiday/boxes.csv").read_text() == "drawn by hand"


@pytest.mark.parametrize(
    ("name", "folder", "sentence"),
    [
        ("../x", "mine", "a name is small letters"),
        ("x", "gone", "is not a folder"),
        ("taken", "mine", "another folder"),
    ],
)
def test_what_cannot_be_adopted_is_told(tmp_path, name, folder, sentence):
    (tmp_path / "mine").mkdir()
    (tmp_path / "raw/taken").mkdir(parents=True)
    with pytest.raises(ValueError, match=sentence):
        adopt_folder(name, tmp_path / folder, tmp_path / "raw", tmp_path / "manual")
