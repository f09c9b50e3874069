"""The practice set is reproducible, its ground truth fits its pictures, and its layout has the competition's traps."""

import csv
import re
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from visage.formats.columns import SHOTS
from visage.practice import masks, practice_set
from visage.practice.people import sample_person, sample_population
from visage.practice.portraits import Pose, draw_group, draw_portrait
from visage.practice.practice_set import PracticeParams, draw_people, list_photos, write_practice
from visage.runtime.memo import Memo

SMALL = PracticeParams(seed=3, train_people=15, eval_people=2)
FEW = PracticeParams(seed=3, train_people=2, eval_people=1)
UPRIGHT = Pose(x=192, y=215, scale=82, tilt=0, lean=0, yaw=0, pitch=0)


def make_person(seed: int = 1, gender: str = "female", age: int = 30):
    return sample_person(np.random.default_rng(seed), gender, age)


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_files(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def draw_set(root, memo_folder, workers=1):
    """The practice set of FEW people; returns how many people were drawn and how many recalled."""
    with Memo("practice", folder=memo_folder) as memo:
        write_practice(root, FEW, draw_people(FEW, memo, workers))
        return memo.computed, memo.known


@pytest.fixture(scope="module")
def practice_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("raw") / "practice"
    assert draw_set(root, root.parent / "memo") == (3, 0)
    return root


# ---------------------------------------------------------------- reproducibility


def test_the_number_of_workers_changes_no_byte(practice_root, tmp_path):
    draw_set(tmp_path / "again", tmp_path / "memo", workers=2)
    assert read_files(tmp_path / "again") == read_files(practice_root)


def test_people_that_were_drawn_before_are_not_drawn_again(practice_root, tmp_path):
    assert draw_set(tmp_path / "again", practice_root.parent / "memo") == (0, 3)
    assert read_files(tmp_path / "again") == read_files(practice_root)


def test_a_photo_drawn_alone_equals_the_one_in_the_set(practice_root):
    key = next(key for key in list_photos(FEW) if key.startswith("eval/") and key.endswith(".jpg"))
    assert list_photos(FEW)[key].encode() == (practice_root / key).read_bytes()


def test_another_seed_gives_other_people():
    assert not set(sample_population(1, 25)) & set(sample_population(2, 25))


def test_eval_people_are_not_train_people():
    photos = list_photos(SMALL).values()
    train, hidden = ({p.person for p in photos if p.key.startswith(split)} for split in ("train", "eval"))
    assert len(train) == SMALL.train_people and len(hidden) == SMALL.eval_people
    assert not train & hidden


def test_a_longer_population_begins_with_the_shorter_one():
    assert sample_population(4, 30)[:7] == sample_population(4, 7)


def test_a_failed_draw_leaves_no_data_folder(tmp_path, monkeypatch):
    def fail_on_full_disk(root, photos):
        (root / "answers.csv").write_text("half")
        raise OSError("no space left")

    monkeypatch.setattr(practice_set, "_write_tables", fail_on_full_disk)
    with pytest.raises(OSError, match="no space"):
        write_practice(tmp_path / "practice", FEW, [])
    assert not (tmp_path / "practice").exists()


# ---------------------------------------------------------------- ground truth


def test_a_photo_is_384_by_512_rgb_bytes():
    photo = draw_portrait(make_person(), "normal", np.random.default_rng(0))
    assert photo.image.shape == (512, 384, 3)
    assert photo.image.dtype == photo.alpha.dtype == np.uint8
    assert photo.alpha.shape == (512, 384)


@pytest.mark.parametrize("yaw", [-0.3, 0.0, 0.3])
def test_landmarks_lie_in_the_box_in_the_order_of_a_face(yaw):
    photo = draw_portrait(make_person(), "mask1", np.random.default_rng(0), pose=replace(UPRIGHT, yaw=yaw))
    x0, y0, x1, y1 = photo.box
    right_eye, left_eye, nose, mouth_right, mouth_left = photo.landmarks
    assert all(x0 < x < x1 and y0 < y < y1 for x, y in photo.landmarks)
    assert right_eye[0] < nose[0] < left_eye[0]
    assert mouth_right[0] < mouth_left[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(mouth_right[1], mouth_left[1])


def test_the_pupils_are_at_the_eye_landmarks():
    person = replace(make_person(gender="male"), glasses="none")
    photo = draw_portrait(person, "normal", np.random.default_rng(0), pose=UPRIGHT)
    for x, y in photo.landmarks[:2].round().astype(int):
        pupil, cheek = photo.image[y - 2 : y + 3, x - 2 : x + 3], photo.image[y + 25 : y + 30, x - 2 : x + 3]
        assert pupil.mean() < 0.6 * cheek.mean()


def test_the_box_spans_from_hairline_to_chin():
    x0, y0, x1, y1 = draw_portrait(make_person(), "normal", np.random.default_rng(0), pose=UPRIGHT).box
    assert x1 - x0 == pytest.approx(2 * UPRIGHT.scale, rel=0.15)
    assert y1 - y0 == pytest.approx(2.55 * UPRIGHT.scale, rel=0.12)
    assert (x0 + x1) / 2 == pytest.approx(UPRIGHT.x, abs=3)


def test_a_face_half_outside_keeps_its_box_inside_the_photo():
    photo = draw_portrait(make_person(), "normal", np.random.default_rng(0), pose=replace(UPRIGHT, x=0))
    x0, _, x1, _ = photo.box
    assert x0 == 0
    assert 60 < x1 < 110
    assert photo.landmarks[0, 0] < 0  # landmarks are not clipped


def test_a_mask_moves_neither_box_nor_landmarks():
    person = make_person()
    bare, masked = (draw_portrait(person, shot, np.random.default_rng(0), pose=UPRIGHT) for shot in ("normal", "mask2"))
    assert bare.box == masked.box
    assert np.array_equal(bare.landmarks, masked.landmarks)
    assert not np.array_equal(bare.image, masked.image)


def test_another_backdrop_changes_only_what_is_not_person():
    first, second = (
        draw_portrait(make_person(), "normal", np.random.default_rng(0), backdrop_rng=np.random.default_rng(seed))
        for seed in (10, 11)
    )
    assert np.array_equal(first.alpha, second.alpha)
    change = np.abs(first.image.astype(int) - second.image).max(2)
    inside = cv2.erode(first.alpha, np.ones((9, 9))) == 255  # the lens blurs across the edge
    assert change[inside].max() <= 1
    assert (change[first.alpha == 0] > 0).mean() > 0.9


def test_a_person_is_one_piece_with_a_head_in_the_box():
    photo = draw_portrait(make_person(), "mask3", np.random.default_rng(0), pose=UPRIGHT)
    assert 0.2 < (photo.alpha == 255).mean() < 0.8
    x0, y0, x1, y1 = map(int, photo.box)
    assert (photo.alpha[y0:y1, x0:x1] > 128).mean() > 0.93
    assert cv2.connectedComponents((photo.alpha > 128).astype(np.uint8))[0] <= 3


def test_several_people_share_one_photo_of_any_size():
    people = [make_person(1), make_person(2, "male", 60)]
    poses = [Pose(80, 90, 30, 0, 0, 0, 0), Pose(230, 100, 30, 0, 0, 0, 0)]
    left, right = draw_group(people, ["normal", "mask1"], np.random.default_rng(0), size=(320, 240), poses=poses)
    assert left.image is right.image
    assert left.image.shape == (240, 320, 3)
    assert left.box[2] < right.box[0]


def test_an_unknown_shot_is_named_in_the_error():
    with pytest.raises(ValueError, match="unknown shot 'mask6'; shots are normal, incorrect_mask, mask1"):
        draw_portrait(make_person(), "mask6", np.random.default_rng(0))


def test_a_png_file_holds_the_drawn_image_unchanged():
    key = next(key for key in list_photos(SMALL) if key.endswith(".png"))
    photo = list_photos(SMALL)[key]
    bgr = cv2.imdecode(np.frombuffer(photo.encode(), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(bgr[..., ::-1], photo.draw().image)


# ---------------------------------------------------------------- people


def test_of_a_hundred_people_eight_are_sixty_or_older():
    people = sample_population(9, 100)
    assert sum(p.age >= 60 for p in people) == 8
    assert Counter(p.gender for p in people) == {"female": 60, "male": 40}
    assert sum(p.age < 30 for p in people) == 48
    assert all(18 <= p.age <= 75 for p in people)


@pytest.mark.parametrize("sign", ["grey", "brow_lines", "crows_feet", "folds", "bags", "sagging", "spots"])
def test_every_sign_of_age_grows_from_22_to_65(sign):
    def measure_sign(age):
        people = (make_person(seed, "female" if seed % 2 else "male", age) for seed in range(60))
        return np.array([getattr(person.age_signs, sign) for person in people])

    young, middle, old = measure_sign(22), measure_sign(45), measure_sign(65)
    assert young.mean() < 0.12
    assert young.mean() < middle.mean() < old.mean() - 0.2
    assert (old[:, None] > middle).mean() > 0.85


def test_every_person_owns_one_mask_of_each_kind():
    rng = np.random.default_rng(0)
    choices = [masks.choose_mask(make_person(), shot, rng) for shot in SHOTS[2:]]
    assert {kind for kind, _ in choices} == set(masks.KINDS)
    assert {placement for _, placement in choices} == {"well"}


def test_only_the_incorrect_mask_leaves_nose_or_mouth_out():
    rng = np.random.default_rng(0)
    assert masks.choose_mask(make_person(), "normal", rng) is None
    assert {masks.choose_mask(make_person(), "incorrect_mask", rng)[1] for _ in range(20)} == {"nose", "chin"}


# ---------------------------------------------------------------- layout and traps


def test_every_person_in_train_csv_has_a_folder_of_seven_photos(practice_root):
    rows = read_rows(practice_root / "train/train.csv")
    assert list(rows[0]) == ["id", "gender", "race", "age", "path"]
    for row in rows:
        assert row["path"] == f"{row['id']}_{row['gender']}_{row['race']}_{row['age']}"
        shots = {p.stem for p in (practice_root / "train/images" / row["path"]).iterdir() if not p.name.startswith(".")}
        assert shots == set(SHOTS)


def test_there_are_files_that_macos_leaves_behind(practice_root):
    junk = [path for path in practice_root.rglob("._*.jpg") if path.is_file()]
    assert junk and all(path.read_bytes().startswith(b"\x00\x05\x16\x07") for path in junk)


def test_all_three_extensions_occur_and_mix_inside_one_folder():
    extensions = defaultdict(set)
    for key in list_photos(SMALL):
        if key.startswith("train"):
            extensions[key.rpartition("/")[0]].add(key.rpartition(".")[2])
    assert {"jpg", "jpeg", "png"} in extensions.values()
    assert sum(kinds == {"jpg"} for kinds in extensions.values()) > len(extensions) / 2


def test_one_id_has_a_suffix_and_one_id_names_two_people():
    folders = {key.split("/")[2] for key in list_photos(SMALL) if key.startswith("train")}
    assert len(folders) == SMALL.train_people
    ids = Counter(folder.split("_")[0] for folder in folders)
    suffixed = next(name for name in ids if "-" in name)
    assert suffixed.removesuffix("-1") in ids
    assert sorted(ids.values())[-2:] == [1, 2]


def test_the_answer_key_agrees_with_shot_gender_and_age(practice_root):
    questions, answers = read_rows(practice_root / "eval/info.csv"), read_rows(practice_root / "answers.csv")
    assert [row["ImageID"] for row in questions] == [row["ImageID"] for row in answers]
    assert {row["ans"] for row in questions} == {"0"}
    for row in answers:
        photo = list_photos(FEW)[f"eval/images/{row['ImageID']}"]
        mask, gender, age = int(row["ans"]) // 6, int(row["ans"]) // 3 % 2, int(row["ans"]) % 3
        assert mask == {"normal": 2, "incorrect_mask": 1}.get(photo.shot, 0)
        assert ("male", "female")[gender] == photo.person.gender
        assert age == (photo.person.age >= 30) + (photo.person.age >= 60)


def test_names_and_order_of_eval_photos_reveal_neither_person_nor_class():
    photos = list(list_photos(PracticeParams(seed=1, train_people=0, eval_people=50)).values())
    assert all(re.fullmatch(r"eval/images/[0-9a-f]{40}\.(jpg|jpeg|png)", photo.key) for photo in photos)
    same_person = sum(a.person == b.person for a, b in pairwise(photos))
    assert same_person < 15  # by chance: 350 * 6 / 349 = 6
    same_class = np.mean([a.answer == b.answer for a, b in pairwise(photos)])
    shares = np.array(list(Counter(photo.answer for photo in photos).values())) / len(photos)
    assert same_class == pytest.approx(np.square(shares).sum(), abs=0.06)
