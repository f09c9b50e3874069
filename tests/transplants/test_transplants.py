"""Transplants: training never shows held-out people, the labels are true, and every edge case has a result."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from visage.formats.columns import CORNERS, LANDMARKS
from visage.formats.shards import decode_image, encode_image, read_shards, shard_order, write_shards
from visage.formats.tasks import Task
from visage.runtime.memo import Memo, digest, reachable
from visage.transplants.face_regions import SEAM, SEAM_WIDTH, face_grid, skin_region
from visage.transplants.grafting import GraftJob, StoredFace, make_graft, match_colour, measure_forehead
from visage.transplants.landmarks import align_similarity, alignment_errors
from visage.transplants.pairing import (
    MAX_TONE_DISTANCE,
    TONE,
    TransplantParams,
    compare_faces,
    pair_faces,
    paired_labels,
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
    method="forehead", blend="feather", match=False, per_donor=4, target_share=0.75, max_tilt=15, max_turn=0.3,
    max_size=1.5, max_error=0.12, seed=0,
)  # fmt: skip
UPRIGHT_LANDMARKS = np.array([[22, 30], [42, 30], [32, 43], [24, 52], [40, 52]], float)  # an eye distance of 20 pixels
FRAME = np.array([[[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]]] * 2, float)  # the crop shows the photo, all of it
SHOTS = ("normal", "incorrect_mask", "mask1")


@dataclass
class StageData:
    """The folder `root` as the stages before `transplant` leave it, and the table of its faces."""

    root: Path
    faces: pd.DataFrame

    def make_transplants(self, params: TransplantParams) -> pd.DataFrame:
        """Write the picture set to `root/transplants` and return it as a table."""
        plan = pair_faces(self.faces, TASKS, params)
        pictures = self.faces.loc[sorted({*plan["donor"], *plan["receiver"]})]
        stored_faces = dict(read_stored_faces(self.root / "crops", self.root / "mattes", pictures))
        with Memo("transplant", folder=self.root / "memo") as memo:
            rows = make_transplants(plan, self.faces, TASKS, params, stored_faces, memo)
            write_shards(self.root / "transplants", rows, list_columns(TASKS))
        return pd.concat([shard.to_pandas() for shard in read_shards(self.root / "transplants")], ignore_index=True)


def head_matte() -> np.ndarray:
    """A matte of an oval head."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (((x - 32) / 26) ** 2 + ((y - 34) / 33) ** 2 < 1).astype(np.uint8) * 255


def matte_below_brows() -> np.ndarray:
    """A matte that leaves out everything above the brows, as where a hat is not part of the person."""
    return np.where(np.arange(SIDE)[:, None] < 22, 0, head_matte())


def plain_image(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def make_people(folds: int = 3, each: int = 4) -> pd.DataFrame:
    """In every fold each gender has old and young people. Red and green of a person's colour are the person's own, blue
    is the fold's: also a blend of two people of one fold shows the fold."""
    rows = []
    for n in range(folds * each * 2):
        fold, age, gender = n % folds, (25, 45, 64, 71)[n // folds % 4], ("male", "female")[n // folds // 4]
        rows.append((f"{n:06d}_{gender}_Asian_{age}", gender, age, fold, (40 + 8 * n, 230 - 9 * n, 30 + 90 * fold)))
    return pd.DataFrame(rows, columns=["person", "gender", "age_value", "fold", "colour"])


def build_data(root: Path, people: pd.DataFrame) -> StageData:
    """Write what the stages before write: tables, crops and mattes of these people, three shots each."""
    rng, rows, crops, mattes, boxes = np.random.default_rng(1), [], {}, {}, []
    for person in people.itertuples():
        for shot, mask in zip(SHOTS, ("not worn", "incorrect", "worn"), strict=True):
            photo = f"train/images/{person.person}/{shot}.png"
            age = ("<30", "30-59", ">=60")[np.digitize(person.age_value, (30, 60))]
            rows.append((photo, "train", person.person, mask, person.gender, age, person.age_value, 384, 512))
            noisy = UPRIGHT_LANDMARKS + rng.normal(0, 0.5, UPRIGHT_LANDMARKS.shape)
            position = dict(zip([*CORNERS, *LANDMARKS], [100, 100, 228, 228, *noisy.ravel()], strict=True))
            boxes.append([photo, *(100 + 2 * noisy).ravel()])  # a crop pixel is two of the photo's
            key = {"photo": photo, "width": SIDE, "height": SIDE}
            crops[photo] = key | {"image": encode_image(plain_image(person.colour), ".png")} | position
            mattes[photo] = key | {"image": encode_image(head_matte(), ".png")}
    names = ["photo", "split", "person", "mask", "gender", "age", "age_value", "width", "height"]
    pd.DataFrame(rows, columns=names).to_csv(root / "photos.csv", index=False)
    people[["person", "fold"]].to_csv(root / "folds.csv", index=False)
    pd.DataFrame(boxes, columns=["photo", *LANDMARKS]).to_csv(root / "boxes.csv", index=False)
    write_shards(root / "crops", [crops[p] for p in shard_order(crops)], dict.fromkeys([*CORNERS, *LANDMARKS], float))
    write_shards(root / "mattes", [mattes[p] for p in shard_order(mattes)], {})
    with Memo("transplant", folder=root / "memo") as memo:
        faces = read_face_table(root / "photos.csv", root / "folds.csv", root / "boxes.csv", root / "crops")
        faces = measure_foreheads(faces, root / "crops", root / "mattes", memo)
    faces[TONE] = 50.0  # the colours identify people, they are no skin tones
    return StageData(root, faces)


@pytest.fixture(scope="module")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> StageData:
    return build_data(tmp_path_factory.mktemp("shared_data"), make_people())


@pytest.fixture
def data(shared_data: StageData, tmp_path: Path) -> StageData:
    """A copy that a test may change."""
    return StageData(shutil.copytree(shared_data.root, tmp_path / "data"), shared_data.faces.copy())


def graft_job(donor: np.ndarray, receiver: np.ndarray, part: str = "forehead", **options: object) -> GraftJob:
    """A graft between two pictures with the same landmarks."""
    matte = encode_image(head_matte(), ".png")
    faces = [StoredFace(encode_image(image, ".png"), matte, UPRIGHT_LANDMARKS, FRAME) for image in (donor, receiver)]
    return GraftJob(*faces, part, **({"blend": "feather", "match": False} | options))


# ---------------------------------------------------------------------------------------------- held-out people


def count_pixels_of_fold(pixels: np.ndarray, people: pd.DataFrame, fold: int) -> int:
    """How many pixels show, wholly or in part, people of this fold: only their pictures have its blue."""
    blue = people.loc[people["fold"] == fold, "colour"].iloc[0][2]
    return int((abs(pixels[..., 2].astype(int) - blue) < 30).sum())


@pytest.mark.parametrize(
    ("method", "blend"), [("forehead", "feather"), ("forehead", "poisson"), ("half_face", "feather")]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_training_picture_holds_a_pixel_of_a_held_out_person(
    data: StageData, method: str, blend: str, seed: int
) -> None:
    from visage.learning.dataset import build_dataset
    from visage.networks.images import Preprocessing, read_images, read_transplant_images

    data.make_transplants(PARAMS.replace(method=method, blend=blend, seed=seed))
    preprocessing, people = Preprocessing(SIDE, SIDE), make_people()
    crops = read_images(data.root / "crops", data.root / "mattes", preprocessing)
    transplants = read_transplant_images(data.root / "transplants", preprocessing, TASKS)
    photos, folds = pd.read_csv(data.root / "photos.csv"), pd.read_csv(data.root / "folds.csv")
    dataset = build_dataset(photos, folds, TASKS, crops, transplants)
    for fold in dataset.folds:
        is_train = dataset.rows.index.isin(dataset.train_rows(fold))
        train, rest = (dataset.images.pixels[dataset.rows.loc[rows, "picture"]] for rows in (is_train, ~is_train))
        assert (dataset.rows.loc[is_train, "donor"] != "").sum() > 20
        assert count_pixels_of_fold(train, people, fold) == 0
        assert count_pixels_of_fold(rest, people, fold) > 0  # the count can be above 0


def test_a_transplant_shows_the_donor_above_and_the_receiver_below(data: StageData) -> None:
    people, transplants = make_people().set_index("person"), data.make_transplants(PARAMS)
    for row in transplants.itertuples():
        image = decode_image(row.image)
        assert tuple(image[24, 32]) == people.loc[row.donor_person, "colour"]
        assert tuple(image[48, 32]) == people.loc[row.receiver_person, "colour"]


def test_donor_and_receiver_are_of_the_recorded_fold(data: StageData) -> None:
    transplants, fold = data.make_transplants(PARAMS), make_people().set_index("person")["fold"]
    assert len(transplants) and (transplants["fold"] == transplants["donor_person"].map(fold)).all()
    assert (transplants["fold"] == transplants["receiver_person"].map(fold)).all()


# ---------------------------------------------------------------------------------------------- labels


def test_the_result_has_the_donors_age_the_receivers_mask_and_their_common_gender(data: StageData) -> None:
    transplants, faces = data.make_transplants(PARAMS), data.faces
    donor, receiver = faces.loc[transplants["donor"]], faces.loc[transplants["receiver"]]
    assert (transplants["age"] == ">=60").all() and (
        transplants["age_value"].to_numpy() == donor["age_value"].to_numpy()
    ).all()
    assert (transplants["mask"].to_numpy() == receiver["mask"].to_numpy()).all() and set(transplants["mask"]) == set(
        TASKS[0].classes
    )
    assert (transplants["gender"].to_numpy() == donor["gender"].to_numpy()).all()
    assert (transplants["gender"].to_numpy() == receiver["gender"].to_numpy()).all()
    assert (receiver["age"] != ">=60").all()


def test_one_photo_with_another_gender_leaves_gender_a_task_about_the_person(data: StageData) -> None:
    data.faces.iloc[0, data.faces.columns.get_loc("gender")] = "female"
    plan = pair_faces(data.faces, TASKS, PARAMS)
    gender = data.faces["gender"]
    assert (gender[plan["donor"]].to_numpy() == gender[plan["receiver"]].to_numpy()).all()


def test_halves_come_from_a_photo_of_the_same_mask_class(data: StageData) -> None:
    plan, mask = pair_faces(data.faces, TASKS, PARAMS.replace(method="half_face")), data.faces["mask"]
    assert set(plan["part"]) == {"upper", "left", "right"}
    assert (mask[plan["donor"]].to_numpy() == mask[plan["receiver"]].to_numpy()).all()


def test_donors_are_the_last_class_of_the_last_task_with_bins(data: StageData) -> None:
    tasks = [TASKS[2], Task("year", ("<25", ">=25"), "year", (25,)), TASKS[1]]
    faces = data.faces.assign(year=np.where(data.faces["age_value"] > 50, "<25", ">=25"))
    plan = pair_faces(faces, tasks, PARAMS.replace(target_share=1.0))
    assert len(plan) == 0  # `age` must agree now, and nobody of <25 has the age class of anybody of >=25
    plan = pair_faces(faces.drop(columns="age"), tasks[1:], PARAMS)
    assert (faces["year"][plan["donor"]] == ">=25").all() and len(plan)


def test_without_a_task_with_bins_the_error_says_what_to_set(data: StageData) -> None:
    with pytest.raises(ValueError, match=r"no task has bins.*set transplant\.method to none"):
        pair_faces(data.faces, TASKS[:2], PARAMS)


# ---------------------------------------------------------------------------------------------- pairs


def test_a_photo_without_landmarks_neither_gives_nor_receives(data: StageData) -> None:
    photos = data.faces.index[::2]
    data.faces.loc[photos, LANDMARKS] = np.nan
    plan = pair_faces(data.faces, TASKS, PARAMS)
    assert len(plan) and not set(photos) & {*plan["donor"], *plan["receiver"]}


def test_no_landmarks_at_all_mean_no_transplants(data: StageData) -> None:
    data.faces[LANDMARKS] = np.nan
    assert pair_faces(data.faces, TASKS, PARAMS).empty


@pytest.mark.parametrize("whose", ["donor", "receiver"])
def test_less_than_half_a_forehead_in_the_picture_neither_gives_nor_receives(data: StageData, whose: str) -> None:
    cut = data.faces.index[(data.faces["age"] == ">=60") == (whose == "donor")][::2]
    data.faces.loc[cut, "in_picture"] = 0.45
    plan = pair_faces(data.faces, TASKS, PARAMS)
    assert len(plan) and not set(cut) & set(plan[whose])


def test_half_a_forehead_gives_after_the_whole_ones(data: StageData) -> None:
    cut = data.faces.index[data.faces["age"] == ">=60"][::2]
    data.faces.loc[cut, "in_picture"] = 0.55
    plan, old = pair_faces(data.faces, TASKS, PARAMS.replace(target_share=0.65)), (data.faces["age"] == ">=60").sum()
    counts = data.faces.loc[plan["donor"], "in_picture"].value_counts()
    assert len(plan) < old and counts[1.0] == old / 2 and counts[0.55] == len(plan) - old / 2


def test_a_fold_without_a_donor_gets_no_transplants_and_the_others_do(tmp_path: Path) -> None:
    people = make_people()
    people.loc[people["fold"] == 1, "age_value"] = 40
    data = build_data(tmp_path, people)
    transplants = data.make_transplants(PARAMS.replace(target_share=0.7))
    assert set(transplants["fold"]) == {0, 2}
    sentences = describe_folds(data.faces, transplants, TASKS, PARAMS.replace(target_share=0.7))
    assert sentences[1] == (
        "fold 1: >=60 was 0 of 24 photos; with 0 transplants it is 0% (transplant.target_share asks for 70%)."
    )


def test_a_single_donor_gives_per_donor_pictures_to_different_people(tmp_path: Path) -> None:
    people = make_people(folds=1)
    other_old_people = people.index[(people["age_value"] > 60) & (people.index != 2)]
    data = build_data(tmp_path, people.drop(other_old_people))
    data.faces = data.faces.drop([photo for photo in data.faces.index if "_64/mask1" in photo or "_64/inc" in photo])
    plan = pair_faces(data.faces, TASKS, PARAMS.replace(target_share=1.0, per_donor=2))
    assert len(plan) == 2 and plan["donor"].nunique() == 1
    assert data.faces["person"][plan["receiver"]].nunique() == 2


def test_a_share_of_0_makes_nothing_and_a_share_of_1_as_much_as_per_donor_allows(data: StageData) -> None:
    assert pair_faces(data.faces, TASKS, PARAMS.replace(target_share=0.0)).empty
    old = (data.faces["age"] == ">=60").sum()
    assert len(pair_faces(data.faces, TASKS, PARAMS.replace(target_share=1.0, per_donor=3))) == 3 * old
    assert pair_faces(data.faces, TASKS, PARAMS.replace(target_share=1.0, per_donor=0)).empty


def test_the_share_is_reached_in_every_fold_and_not_overshot(data: StageData) -> None:
    for share in (0.55, 0.7, 0.75):
        plan = pair_faces(data.faces, TASKS, PARAMS.replace(target_share=share))
        for fold, members in data.faces.groupby("fold"):
            new, old = (plan["fold"] == fold).sum(), (members["age"] == ">=60").sum()
            assert (old + new) / (len(members) + new) >= share - 1e-9
            assert not new or (old + new - 1) / (len(members) + new - 1) < share


def test_a_change_in_one_fold_leaves_the_pairs_of_the_others(data: StageData) -> None:
    before = pair_faces(data.faces, TASKS, PARAMS)
    photo = data.faces.index[(data.faces["fold"] == 0) & (data.faces["age"] == ">=60")][0]
    data.faces.loc[photo, "bare"] = 0.1
    after = pair_faces(data.faces, TASKS, PARAMS)
    changed = before[~before["donor"].add(before["receiver"]).isin(after["donor"].add(after["receiver"]))]
    assert set(changed["fold"]) == {0}


def test_no_pair_is_made_twice_and_receivers_take_turns(data: StageData) -> None:
    plan = pair_faces(data.faces, TASKS, PARAMS.replace(target_share=1.0))
    assert not plan.duplicated(["donor", "receiver"]).any()
    uses = plan["receiver"].value_counts()
    assert len(uses) == (data.faces["age"] != ">=60").sum() and uses.max() <= 2 * PARAMS.per_donor


@pytest.mark.parametrize("whose", ["donor", "receiver"])
def test_a_covered_forehead_neither_moves_nor_is_replaced(data: StageData, whose: str) -> None:
    hats = data.faces.index[(data.faces["age"] == ">=60") == (whose == "donor")][::2]
    data.faces.loc[hats, "bare"] = 0.2
    plan = pair_faces(data.faces, TASKS, PARAMS)
    assert len(plan) and not set(hats) & set(plan[whose])
    assert set(hats) & set(pair_faces(data.faces, TASKS, PARAMS.replace(method="half_face"))[whose])


def test_a_hat_or_a_fringe_is_not_bare_skin() -> None:
    def measure_bare(top: int, colour: tuple[int, int, int]) -> float:
        image = plain_image((210, 170, 150))
        image[:top] = colour
        face = StoredFace(encode_image(image, ".png"), encode_image(head_matte(), ".png"), UPRIGHT_LANDMARKS, FRAME)
        return measure_forehead(face)["bare"]

    assert measure_bare(8, (30, 30, 90)) == 1.0  # hair above the hairline does not count
    assert measure_bare(26, (30, 30, 90)) < 0.2 and measure_bare(26, (40, 30, 25)) < 0.2
    assert measure_bare(26, (190, 150, 132)) == 1.0  # a shadow on the skin


def test_profiles_neither_give_nor_receive(data: StageData) -> None:
    profiles = data.faces.index[::2]
    data.faces.loc[profiles, "nose_x"] += 12
    plan = pair_faces(data.faces, TASKS, PARAMS.replace(max_turn=9, max_error=9))
    assert len(plan) and not set(profiles) & {*plan["donor"], *plan["receiver"]}


def find_reasons(donor: pd.DataFrame, receiver: pd.DataFrame) -> list[str]:
    """Why these two, one row each, are not paired."""
    return [reason for reason, shares in compare_faces(donor, receiver, [], PARAMS).items() if shares[0, 0] > 1]


def test_skins_too_far_apart_are_not_paired(data: StageData) -> None:
    donor, receiver = data.faces.iloc[[0]].copy(), data.faces.iloc[[1]].copy()
    donor[LANDMARKS] = receiver[LANDMARKS] = UPRIGHT_LANDMARKS.ravel()
    receiver[TONE] = donor[TONE].to_numpy() + np.array([MAX_TONE_DISTANCE - 1, 0, 0])
    assert find_reasons(donor, receiver) == []
    receiver[TONE] = donor[TONE].to_numpy() + np.array([MAX_TONE_DISTANCE + 1, 0, 0])
    assert find_reasons(donor, receiver) == ["tone"]


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("tilt", lambda z: z * np.exp(0.4j)),
        ("turn", lambda z: z + np.array([0, 0, 8, 0, 0])),
        ("size", lambda z: z * 1.7),
        ("alignment", lambda z: z + np.array([0, 0, 14j, 0, 0])),
    ],
)
def test_faces_that_differ_too_much_are_not_paired(data: StageData, reason: str, change: Callable) -> None:
    donor, receiver = data.faces.iloc[[0]].copy(), data.faces.iloc[[1]].copy()
    donor[LANDMARKS] = receiver[LANDMARKS] = UPRIGHT_LANDMARKS.ravel()
    assert find_reasons(donor, receiver) == []
    points = change(UPRIGHT_LANDMARKS @ [1, 1j])
    donor[LANDMARKS] = np.stack([points.real, points.imag], -1).ravel()
    assert reason in find_reasons(donor, receiver)


# ---------------------------------------------------------------------------------------------- pixels


def test_alignment_recovers_any_rotation_scale_and_shift() -> None:
    factor, shift = 1.3 * np.exp(0.5j), 7 - 12j
    points = (UPRIGHT_LANDMARKS @ [1, 1j]) * factor + shift
    transform = align_similarity(UPRIGHT_LANDMARKS, np.stack([points.real, points.imag], -1))
    assert np.allclose(transform, [[factor.real, -factor.imag, 7], [factor.imag, factor.real, -12]])


def test_the_alignment_error_is_the_weighted_rms_after_alignment(rng: np.random.Generator) -> None:
    donor, receiver = UPRIGHT_LANDMARKS + rng.normal(0, 3, (2, 5, 2))
    transform = align_similarity(donor, receiver)
    residual = donor[:3] @ transform[:, :2].T + transform[:, 2] - receiver[:3]
    weights = np.array([1, 1, 0.25]) / 2.25
    eye_distance = np.linalg.norm(receiver[1] - receiver[0])
    assert alignment_errors(donor[None], receiver[None])[0, 0] == pytest.approx(
        np.sqrt((weights * (residual**2).sum(1)).sum()) / eye_distance
    )


def test_a_wrong_nose_moves_the_patch_less_than_a_wrong_eye() -> None:
    def measure_shift(landmark: int) -> float:
        wrong = UPRIGHT_LANDMARKS + np.where(np.arange(5)[:, None] == landmark, [0, 3], 0)
        transform = align_similarity(wrong, UPRIGHT_LANDMARKS)
        points = UPRIGHT_LANDMARKS[:3]
        return float(np.linalg.norm(points @ transform[:, :2].T + transform[:, 2] - points, axis=1).max())

    right_eye, nose = 0, 2
    assert measure_shift(nose) < measure_shift(right_eye) / 2


@pytest.mark.parametrize("blend", ["feather", "poisson"])
@pytest.mark.parametrize("match", [False, True])
def test_below_the_seam_and_outside_the_person_every_pixel_is_the_receivers(
    rng: np.random.Generator, blend: str, match: bool
) -> None:
    donor, receiver = rng.integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    graft = make_graft(graft_job(donor, receiver, blend=blend, match=match))
    image = decode_image(graft["image"])
    x, y = face_grid(UPRIGHT_LANDMARKS, receiver.shape)
    outside = (y > np.interp(abs(x), *SEAM) + SEAM_WIDTH / 2) | (head_matte() == 0)
    assert (image[outside] == receiver[outside]).all() and (image[~outside] != receiver[~outside]).any()
    assert (decode_image(graft["matte"]) == head_matte()).all()


def test_the_seam_ends_above_where_a_mask_begins() -> None:
    assert max(SEAM[1]) + SEAM_WIDTH / 2 < 0.5 and SEAM[1][0] + SEAM_WIDTH / 2 < 0.35


@pytest.mark.parametrize("whose", ["donor", "receiver"])
def test_a_mask_that_reaches_up_to_the_lids_stays_where_it_is(whose: str) -> None:
    bare, masked = plain_image((200, 150, 120)), plain_image((190, 140, 110))
    masked[34:] = (60, 90, 230)  # from 0.2 eye distances below the eyes
    pictures = (masked, bare) if whose == "donor" else (bare, masked)
    image = decode_image(make_graft(graft_job(*pictures))["image"]).astype(int)
    blueness = image[..., 2] - image[..., 0]
    if whose == "donor":
        assert blueness.max() < 0  # nothing of the donor's mask is there
    else:
        assert (image[36:] == masked[36:]).all()  # all of the receiver's mask is there


@pytest.mark.parametrize("blend", ["feather", "poisson"])
def test_a_graft_of_a_face_onto_itself_changes_nothing(blend: str) -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.stack([x * 3, y * 3, x + y], -1).astype(np.uint8)
    graft = decode_image(make_graft(graft_job(image, image, blend=blend, match=True))["image"])
    assert abs(graft.astype(int) - image).max() <= 3


@pytest.mark.parametrize("whose", ["donor", "receiver"])
def test_a_forehead_that_is_hardly_person_is_left_out(whose: str) -> None:
    job = graft_job(plain_image((200, 150, 120)), plain_image((90, 60, 40)))
    without_forehead = replace(getattr(job, whose), matte=encode_image(matte_below_brows(), ".png"))
    assert make_graft(job) and not make_graft(replace(job, **{whose: without_forehead}))


def test_a_face_outside_its_crop_receives_nothing() -> None:
    job = graft_job(plain_image((200, 150, 120)), plain_image((90, 60, 40)))
    outside = replace(job.receiver, landmarks=UPRIGHT_LANDMARKS + 500)
    assert make_graft(replace(job, receiver=outside)) == {}
    assert measure_forehead(outside)["bare"] == 0


def test_pairs_without_a_graft_have_no_row_and_the_others_do(data: StageData) -> None:
    hatted, mattes = set(data.faces.index[data.faces["age"] == "<30"]), []
    for shard in read_shards(data.root / "mattes"):
        hat_matte = {"image": encode_image(matte_below_brows(), ".png")}
        mattes += [row | (hat_matte if row["photo"] in hatted else {}) for row in shard.to_pylist()]
    write_shards(data.root / "mattes", mattes, {})
    plan, transplants = pair_faces(data.faces, TASKS, PARAMS), data.make_transplants(PARAMS)
    assert 0 < len(transplants) < len(plan) and not set(transplants["receiver"]) & hatted


def test_a_matte_that_leaves_out_the_eyes_is_ignored() -> None:
    job = graft_job(plain_image((200, 150, 120)), plain_image((90, 60, 40)))
    mask_matte = np.where(np.arange(SIDE)[:, None] > 40, head_matte(), 0)
    receiver = replace(job.receiver, matte=encode_image(mask_matte, ".png"))
    graft = make_graft(replace(job, receiver=receiver))
    assert (decode_image(graft["image"])[24, 32] == (200, 150, 120)).all()


def test_skin_takes_on_the_receivers_tone_and_grey_hair_stays_grey(rng: np.random.Generator) -> None:
    def draw_face(skin: tuple[int, int, int], hair: tuple[int, int, int]) -> np.ndarray:
        image = np.clip(plain_image(skin) + rng.normal(0, 4, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
        image[:12] = hair
        return image

    donor, receiver = draw_face((230, 190, 170), (190, 190, 190)), draw_face((120, 75, 50), (20, 15, 12))
    matched = match_colour(donor, receiver, skin_region(*face_grid(UPRIGHT_LANDMARKS, donor.shape)))
    assert abs(np.median(matched[30:], (0, 1)) - np.median(receiver[30:], (0, 1))).max() <= 6
    hair = matched[6, 32].astype(int)
    assert hair.max() - hair.min() < 12 and 60 < hair.mean() < 190  # darker, and without a cast


def test_the_result_has_the_file_format_of_the_receiver() -> None:
    job = graft_job(plain_image((200, 150, 120)), plain_image((90, 60, 40)))
    jpeg_receiver = replace(job.receiver, image=encode_image(plain_image((90, 60, 40)), ".jpg"))
    assert make_graft(job)["image"].startswith(b"\x89PNG")
    assert make_graft(replace(job, receiver=jpeg_receiver))["image"].startswith(b"\xff\xd8")


# ---------------------------------------------------------------------------------------------- the donor's frame


def cut_frame(top: float, outline: int) -> np.ndarray:
    """A frame whose region (outline 0) or photo (outline 1) begins `top` pixels below the crop's upper border."""
    frame = FRAME.copy()
    frame[outline, :2, 1] = top
    return frame


@pytest.mark.parametrize("outline", [0, 1])
@pytest.mark.parametrize(("part", "blend"), [("forehead", "feather"), ("forehead", "poisson"), ("upper", "feather")])
def test_nothing_from_beyond_the_donors_photo_is_pasted(
    rng: np.random.Generator, part: str, blend: str, outline: int
) -> None:
    donor, receiver = rng.integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    job = graft_job(donor, receiver, part, blend=blend)
    job = replace(job, donor=replace(job.donor, frame=cut_frame(18, outline)))
    image, padding = decode_image(make_graft(job)["image"]), donor.copy()
    padding[:18] = 255 - padding[:18]
    other_padding = replace(job, donor=replace(job.donor, image=encode_image(padding, ".png")))
    assert (image[:18] == receiver[:18]).all() and (image[20:34] != receiver[20:34]).any()
    assert (decode_image(make_graft(other_padding)["image"]) == image).all()


def test_a_graft_fades_in_from_where_the_donors_picture_ends() -> None:
    job = graft_job(plain_image((200, 150, 120)), plain_image((100, 50, 20)))
    job = replace(job, donor=replace(job.donor, frame=cut_frame(16, 1)))
    column = decode_image(make_graft(job)["image"])[14:28, 32, 0].astype(int)
    assert column[0] == 100 and column[-1] == 200 and (np.diff(column) >= 0).all() and np.diff(column).max() < 40


def test_padding_is_no_bare_forehead() -> None:
    image = plain_image((210, 170, 150))
    image[20:] = (30, 30, 90)  # a hat that goes on below the padding
    image[28:] = (210, 170, 150)
    face = StoredFace(encode_image(image, ".png"), encode_image(head_matte(), ".png"), UPRIGHT_LANDMARKS, FRAME)
    assert measure_forehead(face)["bare"] > 0.5 > measure_forehead(replace(face, frame=cut_frame(20, 1)))["bare"]


# ---------------------------------------------------------------------------------------------- the picture set


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_run_writes_the_same_bytes_with_or_without_the_memo(data: StageData) -> None:
    data.make_transplants(PARAMS)
    first = read_files(data.root / "transplants")
    data.make_transplants(PARAMS)
    assert read_files(data.root / "transplants") == first
    with Memo("transplant", folder=data.root / "memo") as memo:  # as after a kill: some rows are missing
        memo.store.base.execute("delete from rows where rowid % 3 = 0")
    data.make_transplants(PARAMS)
    assert read_files(data.root / "transplants") == first
    (data.root / "memo").rename(data.root / "gone")
    data.make_transplants(PARAMS)
    assert read_files(data.root / "transplants") == first


def test_all_code_that_makes_a_graft_and_the_donors_frame_are_part_of_its_digest() -> None:
    modules = reachable(["visage.transplants.grafting"])
    assert {f"visage.transplants.{name}" for name in ("face_regions", "landmarks")} <= modules
    job = graft_job(plain_image((200, 150, 120)), plain_image((90, 60, 40)))
    moved = replace(job, donor=replace(job.donor, frame=FRAME + 1))
    assert digest(*job.memo_key()) != digest(*moved.memo_key())


def test_a_changed_crop_remakes_its_own_pictures_and_no_others(data: StageData) -> None:
    transplants = data.make_transplants(PARAMS).set_index("photo")["image"]
    donor, crops = pair_faces(data.faces, TASKS, PARAMS)["donor"].iloc[0], []
    dark = {"image": encode_image(plain_image((9, 9, 9)), ".png")}
    for shard in read_shards(data.root / "crops"):
        crops += [row | (dark if row["photo"] == donor else {}) for row in shard.to_pylist()]
    write_shards(data.root / "crops", crops, dict.fromkeys([*CORNERS, *LANDMARKS], float))
    again = data.make_transplants(PARAMS)
    changed = again.loc[again["image"] != again["photo"].map(transplants), "donor"]
    assert set(changed) == {donor} and len(changed) == (again["donor"] == donor).sum()


def test_method_none_is_an_empty_set_with_every_column(data: StageData) -> None:
    transplants = data.make_transplants(PARAMS.replace(method="none"))
    columns = ["photo", "width", "height", "image", "matte", "donor", "receiver", "donor_person", "receiver_person"]
    columns += ["fold", "method", "error", *LANDMARKS, "mask", "gender", "age", "age_value"]
    assert transplants.empty and set(transplants.columns) == set(columns)
    assert draw_contact_sheet(data.root / "transplants", data.root / "crops").min() == 255
    assert describe_folds(data.faces, transplants, TASKS, PARAMS.replace(method="none"))[0].startswith(
        "transplant.method is none"
    )


def test_the_contact_sheet_shows_donor_receiver_and_result(data: StageData) -> None:
    transplants = data.make_transplants(PARAMS)
    sheet = draw_contact_sheet(data.root / "transplants", data.root / "crops", count=1, across=1, side=SIDE)
    best, people = (
        transplants.sort_values(["error", "donor", "receiver"]).iloc[0],
        make_people().set_index("person")["colour"],
    )
    assert tuple(sheet[24, 32]) == people[best["donor_person"]] == tuple(sheet[24, 32 + 2 * SIDE])
    assert tuple(sheet[48, 32 + SIDE]) == people[best["receiver_person"]] == tuple(sheet[48, 32 + 2 * SIDE])


@pytest.mark.parametrize("wrong", [{"target_share": 1.5}, {"per_donor": -1}, {"max_size": 1.0}, {"max_error": 0.0}])
def test_impossible_parameters_are_errors(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="should be"):
        PARAMS.replace(**wrong)


def test_a_corrected_label_does_not_pair_the_faces_anew():
    faces = pd.DataFrame({"gender": ["male", "female"], "original_gender": ["male", "male"]})
    assert paired_labels(faces, "gender").tolist() == ["male", "male"]
    assert paired_labels(faces[["gender"]], "gender").tolist() == ["male", "female"]
