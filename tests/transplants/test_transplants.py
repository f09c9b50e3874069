"""Transplants: nobody held out is ever seen, the labels are true, and the odd cases are decided."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from visage.formats.columns import CORNERS, LANDMARKS
from visage.formats.shards import decode_image, encode_image, read_shards, shard_order, write_shards
from visage.formats.tasks import Task
from visage.runtime.memo import Memo
from visage.transplants.grafting import (
    SEAM,
    SEAM_WIDTH,
    GraftJob,
    StoredFace,
    face_grid,
    make_graft,
    match_colour,
    measure_forehead,
    skin_region,
)
from visage.transplants.pairing import (
    MAX_TONE_DISTANCE,
    TONE,
    TransplantParams,
    align_similarity,
    alignment_errors,
    pair_costs,
    pair_faces,
)
from visage.transplants.picture_set import (
    describe_folds,
    draw_contact_sheet,
    list_columns,
    make_transplants,
    measure_foreheads,
    read_face_table,
    read_stored_faces,
)

SIDE = 64
TASKS = [
    Task("mask", ("worn", "incorrect", "not worn"), "mask"),
    Task("gender", ("male", "female"), "gender"),
    Task("age", ("<30", "30-59", ">=60"), "age", (30, 60)),
]
PARAMS = TransplantParams(
    method="forehead", blend="feather", match=False, per_donor=4, target_share=0.75, max_tilt=15, max_turn=0.3, max_size=1.5,
    max_error=0.12, seed=0,
)  # fmt: skip
MARKS = np.array([[22, 30], [42, 30], [32, 43], [24, 52], [40, 52]], float)  # an eye distance of 20 pixels
SHOTS = ("normal", "incorrect_mask", "mask1")


@dataclass
class Folders:
    """Drawn faces as the stages before leave them; `faces` is the table of them."""

    root: Path
    faces: pd.DataFrame

    def make(self, params: TransplantParams, folder: str = "made") -> pd.DataFrame:
        """Runs it all; the picture set as a table."""
        plan = pair_faces(self.faces, TASKS, params)
        parts = dict(read_stored_faces(self.root / "crops", self.root / "mattes", {*plan["donor"], *plan["receiver"]}))
        with Memo("transplant", folder=self.root / "memo") as memo:
            rows = make_transplants(plan, self.faces, TASKS, params, parts, memo)
            write_shards(self.root / folder, rows, list_columns(TASKS))
        return pd.concat([shard.to_pandas() for shard in read_shards(self.root / folder)], ignore_index=True)


def head() -> np.ndarray:
    """A matte: an oval head on shoulders."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (((x - 32) / 26) ** 2 + ((y - 34) / 33) ** 2 < 1).astype(np.uint8) * 255


def eyes_only() -> np.ndarray:
    """A matte that ends above the brows, as where a hat was not taken for a part of the person."""
    return np.where(np.arange(SIDE)[:, None] < 22, 0, head())


def coloured(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def people(folds: int = 3, each: int = 4) -> pd.DataFrame:
    """In every fold each gender has old and young people. A person's colour: red and green are the person's, blue
    the fold's, so that a blend of two people of one fold still tells that it came from there, and from nowhere else."""
    rows = []
    for n in range(folds * each * 2):
        fold, age, gender = n % folds, (25, 45, 64, 71)[n // folds % 4], ("male", "female")[n // folds // 4]
        rows.append((f"{n:06d}_{gender}_Asian_{age}", gender, age, fold, (40 + 8 * n, 230 - 9 * n, 30 + 90 * fold)))
    return pd.DataFrame(rows, columns=["person", "gender", "age_value", "fold", "colour"])


def settle(root: Path, folk: pd.DataFrame, *, marks: np.ndarray = MARKS, noise: float = 0.5) -> Folders:
    """Writes what the stages before write: tables, crops and mattes of these people, three shots each."""
    rng, rows, crops, mattes = np.random.default_rng(1), [], {}, {}
    for one in folk.itertuples():
        for shot, mask in zip(SHOTS, ("not worn", "incorrect", "worn"), strict=True):
            photo = f"train/images/{one.person}/{shot}.png"
            age = ("<30", "30-59", ">=60")[np.digitize(one.age_value, (30, 60))]
            rows.append((photo, "train", one.person, mask, one.gender, age, one.age_value, 384, 512))
            places = (marks + rng.normal(0, noise, marks.shape)).ravel()
            frame = dict(zip([*CORNERS, *LANDMARKS], [100, 100, 228, 228, *places], strict=True))
            sized = {"photo": photo, "width": SIDE, "height": SIDE}
            crops[photo] = sized | {"image": encode_image(coloured(one.colour), ".png")} | frame
            mattes[photo] = sized | {"image": encode_image(head(), ".png")}
    names = ["photo", "split", "person", "mask", "gender", "age", "age_value", "width", "height"]
    pd.DataFrame(rows, columns=names).to_csv(root / "photos.csv", index=False)
    folk[["person", "fold"]].to_csv(root / "folds.csv", index=False)
    write_shards(root / "crops", [crops[p] for p in shard_order(crops)], dict.fromkeys([*CORNERS, *LANDMARKS], float))
    write_shards(root / "mattes", [mattes[p] for p in shard_order(mattes)], {})
    with Memo("transplant", folder=root / "memo") as memo:
        faces = read_face_table(root / "photos.csv", root / "folds.csv", root / "crops")
        faces = measure_foreheads(faces, root / "crops", root / "mattes", memo)
    faces[TONE] = 50.0  # the colours stand for who it is, not for skin
    return Folders(root, faces)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return settle(tmp_path_factory.mktemp("built"), people())


@pytest.fixture
def town(built: Folders, tmp_path: Path) -> Folders:
    """A copy to do with as one likes."""
    return Folders(shutil.copytree(built.root, tmp_path / "town"), built.faces.copy())


def job(donor: np.ndarray, receiver: np.ndarray, part: str = "forehead", **how: object) -> GraftJob:
    """A graft between two drawn pictures whose faces lie alike."""
    faces = [
        StoredFace(encode_image(image, ".png"), encode_image(head(), ".png"), MARKS) for image in (donor, receiver)
    ]
    return GraftJob(*faces, part, **({"blend": "feather", "match": False} | how))


# ---------------------------------------------------------------------------------------------- nobody held out is seen


def strangers(pixels: np.ndarray, folk: pd.DataFrame, fold: int) -> int:
    """How many pixels come, wholly or in part, from people of this fold: its blue is in no other's pictures."""
    blue = folk.loc[folk["fold"] == fold, "colour"].iloc[0][2]
    return int((abs(pixels[..., 2].astype(int) - blue) < 30).sum())


@pytest.mark.parametrize(
    ("method", "blend"), [("forehead", "feather"), ("forehead", "poisson"), ("half_face", "feather")]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_training_picture_holds_a_pixel_of_a_held_out_person(
    town: Folders, method: str, blend: str, seed: int
) -> None:
    from visage.learning.dataset import build_dataset
    from visage.networks.images import Preprocessing, read_images, read_transplant_images

    town.make(PARAMS.replace(method=method, blend=blend, seed=seed))
    look, folk = Preprocessing(SIDE, SIDE), people()
    crops = read_images(town.root / "crops", town.root / "mattes", look)
    made = read_transplant_images(town.root / "made", look, TASKS)
    photos, folds = pd.read_csv(town.root / "photos.csv"), pd.read_csv(town.root / "folds.csv")
    lessons = build_dataset(photos, folds, TASKS, crops, made)
    for fold in lessons.folds:
        seen = lessons.rows.index.isin(lessons.seen(fold))
        pixels = [lessons.album.pixels[lessons.rows.loc[rows, "picture"]] for rows in (seen, ~seen)]
        assert (lessons.rows.loc[seen, "donor"] != "").sum() > 20
        assert strangers(pixels[0], folk, fold) == 0
        assert strangers(pixels[1], folk, fold) > 0  # the check can fail


def test_a_transplant_shows_the_donor_above_and_the_receiver_below(town: Folders) -> None:
    folk, made = people().set_index("person"), town.make(PARAMS)
    for row in made.itertuples():
        image = decode_image(row.image)
        assert tuple(image[24, 32]) == folk.loc[row.donor_person, "colour"]
        assert tuple(image[48, 32]) == folk.loc[row.receiver_person, "colour"]


def test_donor_and_receiver_are_of_the_recorded_fold(town: Folders) -> None:
    made, fold = town.make(PARAMS), people().set_index("person")["fold"]
    assert len(made) and (made["fold"] == made["donor_person"].map(fold)).all()
    assert (made["fold"] == made["receiver_person"].map(fold)).all()


# ------------------------------------------------------------------------------------------- what the result is called


def test_the_result_has_the_donors_age_the_receivers_mask_and_their_common_gender(town: Folders) -> None:
    made, faces = town.make(PARAMS), town.faces
    donor, receiver = faces.loc[made["donor"]], faces.loc[made["receiver"]]
    assert (made["age"] == ">=60").all() and (made["age_value"].to_numpy() == donor["age_value"].to_numpy()).all()
    assert (made["mask"].to_numpy() == receiver["mask"].to_numpy()).all() and set(made["mask"]) == set(TASKS[0].classes)
    assert (made["gender"].to_numpy() == donor["gender"].to_numpy()).all()
    assert (made["gender"].to_numpy() == receiver["gender"].to_numpy()).all()
    assert (receiver["age"] != ">=60").all()


def test_one_photo_with_another_gender_does_not_make_gender_a_matter_of_the_photo(town: Folders) -> None:
    town.faces.iloc[0, town.faces.columns.get_loc("gender")] = "female"
    plan = pair_faces(town.faces, TASKS, PARAMS)
    gender = town.faces["gender"]
    assert (gender[plan["donor"]].to_numpy() == gender[plan["receiver"]].to_numpy()).all()


def test_halves_come_from_a_photo_of_the_same_mask_class(town: Folders) -> None:
    plan, mask = pair_faces(town.faces, TASKS, PARAMS.replace(method="half_face")), town.faces["mask"]
    assert set(plan["part"]) == {"upper", "left", "right"}
    assert (mask[plan["donor"]].to_numpy() == mask[plan["receiver"]].to_numpy()).all()


def test_the_oldest_are_the_last_class_of_the_last_task_made_by_bins(town: Folders) -> None:
    tasks = [TASKS[2], Task("year", ("<25", ">=25"), "year", (25,)), TASKS[1]]
    faces = town.faces.assign(year=np.where(town.faces["age_value"] > 50, "<25", ">=25"))
    plan = pair_faces(faces, tasks, PARAMS.replace(target_share=1.0))
    assert len(plan) == 0  # `age` is now a matter of the person, and nobody of <25 has the age of somebody of >=25
    plan = pair_faces(faces.drop(columns="age"), tasks[1:], PARAMS)
    assert (faces["year"][plan["donor"]] == ">=25").all() and len(plan)


def test_without_a_task_made_by_bins_the_way_out_is_told(town: Folders) -> None:
    with pytest.raises(ValueError, match=r"no task is made by bins.*set transplant\.method to none"):
        pair_faces(town.faces, TASKS[:2], PARAMS)


# ---------------------------------------------------------------------------------------------- who is taken


def test_a_photo_without_landmarks_neither_gives_nor_receives(town: Folders) -> None:
    blind = town.faces.index[::2]
    town.faces.loc[blind, LANDMARKS] = np.nan
    plan = pair_faces(town.faces, TASKS, PARAMS)
    assert len(plan) and not set(blind) & {*plan["donor"], *plan["receiver"]}


def test_no_landmarks_at_all_mean_no_transplants(town: Folders) -> None:
    town.faces[LANDMARKS] = np.nan
    assert pair_faces(town.faces, TASKS, PARAMS).empty


@pytest.mark.parametrize("why", ["crop", "photo"])
def test_a_donor_whose_hairline_is_out_of_the_frame_gives_nothing(town: Folders, why: str) -> None:
    cut = town.faces.index[town.faces["age"] == ">=60"][::2]
    if why == "crop":
        town.faces.loc[cut, LANDMARKS[1::2]] -= 15.0
    else:
        town.faces.loc[cut, ["y0", "y1"]] -= 120.0  # the crop's upper part lies above the photo's border
    plan = pair_faces(town.faces, TASKS, PARAMS)
    assert len(plan) and not set(cut) & set(plan["donor"])


def test_a_fold_without_a_donor_stays_as_it_is_and_the_others_do_not_mind(tmp_path: Path) -> None:
    folk = people()
    folk.loc[folk["fold"] == 1, "age_value"] = 40
    town = settle(tmp_path, folk)
    made = town.make(PARAMS.replace(target_share=0.7))
    assert set(made["fold"]) == {0, 2}
    told = describe_folds(town.faces, made, TASKS, PARAMS.replace(target_share=0.7))
    assert told[1] == (
        "fold 1: >=60 was 0 of 24 photos; with 0 transplants it is 0% (transplant.target_share asks for 70%)."
    )


def test_a_single_donor_gives_to_several_people_but_no_more_than_per_donor(tmp_path: Path) -> None:
    folk = people(folds=1)
    town = settle(tmp_path, folk.drop(folk.index[(folk["age_value"] > 60) & (folk.index != 2)]))
    town.faces = town.faces.drop([photo for photo in town.faces.index if "_64/mask1" in photo or "_64/inc" in photo])
    plan = pair_faces(town.faces, TASKS, PARAMS.replace(target_share=1.0, per_donor=2))
    assert len(plan) == 2 and plan["donor"].nunique() == 1
    assert town.faces["person"][plan["receiver"]].nunique() == 2


def test_a_share_of_0_makes_nothing_and_a_share_of_1_as_much_as_per_donor_allows(town: Folders) -> None:
    assert pair_faces(town.faces, TASKS, PARAMS.replace(target_share=0.0)).empty
    old = (town.faces["age"] == ">=60").sum()
    assert len(pair_faces(town.faces, TASKS, PARAMS.replace(target_share=1.0, per_donor=3))) == 3 * old
    assert pair_faces(town.faces, TASKS, PARAMS.replace(target_share=1.0, per_donor=0)).empty


def test_the_share_is_reached_in_every_fold_and_not_overshot(town: Folders) -> None:
    for share in (0.55, 0.7, 0.75):
        plan = pair_faces(town.faces, TASKS, PARAMS.replace(target_share=share))
        for fold, members in town.faces.groupby("fold"):
            new, old = (plan["fold"] == fold).sum(), (members["age"] == ">=60").sum()
            assert (old + new) / (len(members) + new) >= share - 1e-9
            assert not new or (old + new - 1) / (len(members) + new - 1) < share


def test_no_pair_is_made_twice_and_receivers_take_turns(town: Folders) -> None:
    plan = pair_faces(town.faces, TASKS, PARAMS.replace(target_share=1.0))
    assert not plan.duplicated(["donor", "receiver"]).any()
    uses = plan["receiver"].value_counts()
    assert len(uses) == (town.faces["age"] != ">=60").sum() and uses.max() <= 2 * PARAMS.per_donor


@pytest.mark.parametrize("whose", ["donor", "receiver"])
def test_a_covered_forehead_neither_moves_nor_is_replaced(town: Folders, whose: str) -> None:
    hats = town.faces.index[(town.faces["age"] == ">=60") == (whose == "donor")][::2]
    town.faces.loc[hats, "bare"] = 0.2
    plan = pair_faces(town.faces, TASKS, PARAMS)
    assert len(plan) and not set(hats) & set(plan[whose])
    assert set(hats) & set(pair_faces(town.faces, TASKS, PARAMS.replace(method="half_face"))[whose])


def test_a_hat_a_fringe_and_hair_in_the_face_are_seen_as_such() -> None:
    def bare(top: int, colour: tuple[int, int, int]) -> float:
        image = coloured((210, 170, 150))
        image[:top] = colour
        return measure_forehead(StoredFace(encode_image(image, ".png"), encode_image(head(), ".png"), MARKS))["bare"]

    assert bare(8, (30, 30, 90)) == 1.0  # hair above the hairline does not count
    assert bare(26, (30, 30, 90)) < 0.2 and bare(26, (40, 30, 25)) < 0.2
    assert bare(26, (190, 150, 132)) == 1.0  # a shadow on the skin


def test_profiles_take_no_part(town: Folders) -> None:
    turned = town.faces.index[::2]
    town.faces.loc[turned, "nose_x"] += 12
    plan = pair_faces(town.faces, TASKS, PARAMS.replace(max_turn=9, max_error=9))
    assert len(plan) and not set(turned) & {*plan["donor"], *plan["receiver"]}


def test_skins_too_far_apart_are_not_paired(town: Folders) -> None:
    donor, receiver = town.faces.iloc[[0]].copy(), town.faces.iloc[[1]].copy()
    donor[LANDMARKS] = receiver[LANDMARKS] = MARKS.ravel()
    receiver[TONE] = donor[TONE].to_numpy() + np.array([MAX_TONE_DISTANCE - 1, 0, 0])
    assert np.isfinite(pair_costs(donor, receiver, PARAMS)[0])
    receiver[TONE] = donor[TONE].to_numpy() + np.array([MAX_TONE_DISTANCE + 1, 0, 0])
    assert np.isinf(pair_costs(donor, receiver, PARAMS)[0])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda z: z * np.exp(0.4j), "tilt"),
        (lambda z: z + np.array([0, 0, 8, 0, 0]), "turn"),
        (lambda z: z * 1.7, "size"),
        (lambda z: z + np.array([0, 0, 14j, 0, 0]), "error"),
    ],
)
def test_faces_that_differ_too_much_are_not_paired(town: Folders, change: object, reason: str) -> None:
    donor, receiver = town.faces.iloc[[0]].copy(), town.faces.iloc[[1]].copy()
    donor[LANDMARKS] = receiver[LANDMARKS] = MARKS.ravel()
    assert np.isfinite(pair_costs(donor, receiver, PARAMS)[0])
    moved = change(MARKS @ [1, 1j])
    donor[LANDMARKS] = np.stack([moved.real, moved.imag], -1).ravel()
    assert np.isinf(pair_costs(donor, receiver, PARAMS)[0]), reason


# ---------------------------------------------------------------------------------------------- pixels


def test_aligning_undoes_any_turn_scale_and_shift(rng: np.random.Generator) -> None:
    turn, shift = 1.3 * np.exp(0.5j), 7 - 12j
    moved = (MARKS @ [1, 1j]) * turn + shift
    found = align_similarity(MARKS, np.stack([moved.real, moved.imag], -1))
    assert np.allclose(found, [[turn.real, -turn.imag, 7], [turn.imag, turn.real, -12]])


def test_the_recorded_error_is_what_aligning_leaves(rng: np.random.Generator) -> None:
    donor, receiver = MARKS + rng.normal(0, 3, (2, 5, 2))
    lay = align_similarity(donor, receiver)
    left = donor[:3] @ lay[:, :2].T + lay[:, 2] - receiver[:3]
    weights = np.array([1, 1, 0.25]) / 2.25
    eyes = np.linalg.norm(receiver[1] - receiver[0])
    assert alignment_errors(donor[None], receiver[None])[0, 0] == pytest.approx(
        np.sqrt((weights * (left**2).sum(1)).sum()) / eyes
    )


def test_a_guessed_nose_moves_the_patch_less_than_a_guessed_eye() -> None:
    def moved(mark: int) -> float:
        off = MARKS + np.where(np.arange(5)[:, None] == mark, [0, 3], 0)
        lay = align_similarity(off, MARKS)
        return float(np.linalg.norm(MARKS[:3] @ lay[:, :2].T + lay[:, 2] - MARKS[:3], axis=1).max())

    assert moved(2) < moved(0) / 2


@pytest.mark.parametrize("blend", ["feather", "poisson"])
@pytest.mark.parametrize("match", [False, True])
def test_below_the_seam_and_outside_the_person_every_pixel_is_the_receivers(
    rng: np.random.Generator, blend: str, match: bool
) -> None:
    donor, receiver = rng.integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    made = make_graft(job(donor, receiver, blend=blend, match=match))
    image, matte = made["image"], made["matte"]
    x, y = face_grid(MARKS, receiver.shape)
    kept = (y > np.interp(abs(x), *SEAM) + SEAM_WIDTH / 2) | (head() == 0)
    assert (decode_image(image)[kept] == receiver[kept]).all() and (decode_image(image)[~kept] != receiver[~kept]).any()
    assert (decode_image(matte) == head()).all()


def test_the_seam_ends_above_where_a_mask_begins() -> None:
    assert max(SEAM[1]) + SEAM_WIDTH / 2 < 0.5 and SEAM[1][0] + SEAM_WIDTH / 2 < 0.35


@pytest.mark.parametrize("whose", ["donor", "receiver"])
def test_a_mask_that_reaches_up_to_the_lids_stays_where_it_is(whose: str) -> None:
    skin, masked = coloured((200, 150, 120)), coloured((190, 140, 110))
    masked[34:] = (60, 90, 230)  # from 0.2 eye distances below the eyes
    pictures = (masked, skin) if whose == "donor" else (skin, masked)
    made = decode_image(make_graft(job(*pictures))["image"]).astype(int)
    blue = made[..., 2] - made[..., 0]
    if whose == "donor":
        assert blue.max() < 0  # nothing of the donor's mask came along
    else:
        assert (made[36:] == masked[36:]).all()  # nothing of the receiver's is gone


@pytest.mark.parametrize("blend", ["feather", "poisson"])
def test_a_face_put_onto_itself_changes_nothing(blend: str) -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.stack([x * 3, y * 3, x + y], -1).astype(np.uint8)
    made = decode_image(make_graft(job(image, image, blend=blend, match=True))["image"])
    assert abs(made.astype(int) - image).max() <= 3


@pytest.mark.parametrize("whose", ["donor", "receiver"])
def test_a_forehead_that_is_hardly_person_is_left_out(whose: str) -> None:
    made = job(coloured((200, 150, 120)), coloured((90, 60, 40)))
    nobody = replace(getattr(made, whose), matte=encode_image(eyes_only(), ".png"))
    assert make_graft(made) and not make_graft(replace(made, **{whose: nobody}))


def test_a_face_outside_its_crop_receives_nothing() -> None:
    made = job(coloured((200, 150, 120)), coloured((90, 60, 40)))
    assert make_graft(replace(made, receiver=replace(made.receiver, marks=MARKS + 500))) == {}
    assert measure_forehead(replace(made.receiver, marks=MARKS + 500))["bare"] == 0


def test_pairs_left_out_leave_no_row_and_the_rest_is_made(town: Folders) -> None:
    spoilt, mattes = set(town.faces.index[town.faces["age"] == "<30"]), []
    for shard in read_shards(town.root / "mattes"):
        hatted = {"image": encode_image(eyes_only(), ".png")}
        mattes += [row | (hatted if row["photo"] in spoilt else {}) for row in shard.to_pylist()]
    write_shards(town.root / "mattes", mattes, {})
    planned, made = pair_faces(town.faces, TASKS, PARAMS), town.make(PARAMS)
    assert 0 < len(made) < len(planned) and not set(made["receiver"]) & spoilt


def test_a_matte_that_leaves_out_the_eyes_is_not_believed() -> None:
    made = job(coloured((200, 150, 120)), coloured((90, 60, 40)))
    mask_alone = replace(made.receiver, matte=encode_image(np.where(np.arange(SIDE)[:, None] > 40, head(), 0), ".png"))
    other = make_graft(replace(made, receiver=mask_alone))
    assert (decode_image(other["image"])[24, 32] == (200, 150, 120)).all()


def test_skin_takes_on_the_receivers_tone_and_grey_hair_stays_grey(rng: np.random.Generator) -> None:
    def face(skin: tuple[int, int, int], hair: tuple[int, int, int]) -> np.ndarray:
        image = np.clip(coloured(skin) + rng.normal(0, 4, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
        image[:12] = hair
        return image

    donor, receiver = face((230, 190, 170), (190, 190, 190)), face((120, 75, 50), (20, 15, 12))
    made = match_colour(donor, receiver, skin_region(*face_grid(MARKS, donor.shape)))
    assert abs(np.median(made[30:], (0, 1)) - np.median(receiver[30:], (0, 1))).max() <= 6
    hair = made[6, 32].astype(int)
    assert hair.max() - hair.min() < 12 and 60 < hair.mean() < 190  # darker, and without a cast


def test_the_result_keeps_the_form_of_the_receivers_bytes() -> None:
    made = job(coloured((200, 150, 120)), coloured((90, 60, 40)))
    as_jpeg = replace(made, receiver=replace(made.receiver, image=encode_image(coloured((90, 60, 40)), ".jpg")))
    assert make_graft(made)["image"].startswith(b"\x89PNG") and make_graft(as_jpeg)["image"].startswith(b"\xff\xd8")


# ---------------------------------------------------------------------------------------------- the picture set


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_run_writes_the_same_bytes_with_or_without_the_memo(town: Folders) -> None:
    town.make(PARAMS)
    first = bytes_of(town.root / "made")
    town.make(PARAMS)
    assert bytes_of(town.root / "made") == first
    with Memo("transplant", folder=town.root / "memo") as memo:  # as after a kill: a part is known, the rest is not
        memo.base.execute("delete from memo where rowid % 3 = 0")
    town.make(PARAMS)
    assert bytes_of(town.root / "made") == first
    (town.root / "memo").rename(town.root / "gone")
    town.make(PARAMS)
    assert bytes_of(town.root / "made") == first


def test_a_changed_crop_remakes_its_own_pictures_and_no_others(town: Folders) -> None:
    made = town.make(PARAMS).set_index("photo")["image"]
    donor, crops = pair_faces(town.faces, TASKS, PARAMS)["donor"].iloc[0], []
    for shard in read_shards(town.root / "crops"):
        crops += [
            r | ({"image": encode_image(coloured((9, 9, 9)), ".png")} if r["photo"] == donor else {})
            for r in shard.to_pylist()
        ]
    write_shards(town.root / "crops", crops, dict.fromkeys([*CORNERS, *LANDMARKS], float))
    again = town.make(PARAMS)
    changed = again.loc[again["image"] != again["photo"].map(made), "donor"]
    assert set(changed) == {donor} and len(changed) == (again["donor"] == donor).sum()


def test_method_none_is_an_empty_set_with_every_column(town: Folders) -> None:
    made = town.make(PARAMS.replace(method="none"))
    wanted = ["photo", "width", "height", "image", "matte", "donor", "receiver", "donor_person", "receiver_person"]
    wanted += ["fold", "method", "error", *LANDMARKS, "mask", "gender", "age", "age_value"]
    assert made.empty and set(made.columns) == set(wanted)
    assert draw_contact_sheet(town.root / "made", town.root / "crops").min() == 255
    assert describe_folds(town.faces, made, TASKS, PARAMS.replace(method="none"))[0].startswith(
        "transplant.method is none"
    )


def test_the_contact_sheet_shows_donor_receiver_and_result(town: Folders) -> None:
    made = town.make(PARAMS)
    sheet = draw_contact_sheet(town.root / "made", town.root / "crops", count=1, across=1, side=SIDE)
    best, folk = made.sort_values(["error", "donor", "receiver"]).iloc[0], people().set_index("person")["colour"]
    assert tuple(sheet[24, 32]) == folk[best["donor_person"]] == tuple(sheet[24, 32 + 2 * SIDE])
    assert tuple(sheet[48, 32 + SIDE]) == folk[best["receiver_person"]] == tuple(sheet[48, 32 + 2 * SIDE])


def test_impossible_settings_are_told() -> None:
    for wrong in ({"target_share": 1.5}, {"per_donor": -1}, {"max_size": 1.0}, {"max_error": 0.0}):
        with pytest.raises(ValueError, match="should be"):
            PARAMS.replace(**wrong)
