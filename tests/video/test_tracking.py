"""Faces followed: the assignment is exact, and nobody becomes somebody else."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from tests.conftest import PROJECT
from tests.video.coloured_people import ColourBundle, ColouredPerson, draw_coloured
from tests.video.drawn_video import crossing_roles, draw_frames, true_boxes
from tests.video.panned_scene import count_changes, pan, read_scenes
from visage.faces.matching import iou_matrix
from visage.faces.retina import RetinaFace
from visage.video.assignment import assign
from visage.video.tracking import KEEP, Tracker

ON = [(0, "worn")]


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 3), (1, 1), (2, 5), (4, 4), (6, 9)])
def test_the_assignment_costs_as_little_as_that_of_scipy(rng, rows, columns):
    for _ in range(30):
        costs = rng.integers(-3, 6, (rows, columns)).astype(float)  # small numbers: many ties
        chosen = assign(costs)
        assert len(set(chosen.tolist())) == rows
        assert costs[np.arange(rows), chosen].sum() == costs[linear_sum_assignment(costs)].sum()


def test_more_rows_than_columns_are_refused():
    with pytest.raises(ValueError, match="3 rows"):
        assign(np.zeros((3, 2)))


def numbers_of(people: list[ColouredPerson], seconds: float, every: int = 1) -> dict[int, set[int]]:
    """For each person the numbers that the tracker gave."""
    tracker, bundle, numbers = Tracker(), ColourBundle(), {person.number: set() for person in people}
    for frame in draw_coloured(people, seconds)[::every]:
        faces = bundle.detect_image(frame.image)
        tracks, _ = tracker.update(frame.time, frame.image, faces.boxes, faces.scores)
        for track, box in zip(tracks, faces.boxes, strict=True):
            person = int(frame.image[int(box[1]) + 1, int(box[[0, 2]].mean()), 1]) // 10
            numbers[person] |= {track.number} - {0}
    return numbers


@pytest.mark.parametrize("every", [1, 3, 6])
def test_people_who_cross_keep_their_numbers_when_one_is_hidden(every):
    people = [ColouredPerson(2, (150, -40), 20, ON), ColouredPerson(9, (-10, 40), 22, ON)]
    numbers = numbers_of(people, 4, every)
    assert sorted(map(len, numbers.values())) == [1, 1]
    assert numbers[2] != numbers[9]


def test_someone_who_stops_behind_another_is_the_same_when_the_other_walks_on():
    people = [ColouredPerson(3, (60, 0), 20, ON), ColouredPerson(15, (-10, 30), 20, ON)]
    assert sorted(len(numbers) for numbers in numbers_of(people, 5).values()) == [1, 1]


def test_drawn_people_who_cross_keep_their_numbers_under_the_bundled_detector():
    roles, tracker, numbers = crossing_roles(), Tracker(), [set(), set(), set()]
    detector = RetinaFace(PROJECT / "models/bundled/detector.onnx", side=320, upscale=False, threshold=0.3, batch=1)
    for i, image in enumerate(draw_frames(roles, (320, 180), fps=5)):
        faces, truth = detector.detect([image])[0], true_boxes(roles, i / 5, (320, 180))
        tracks, _ = tracker.update(i / 5, image, faces.boxes, faces.scores)
        for face, role in zip(*np.nonzero(iou_matrix(faces.boxes, truth) > 0.6), strict=True):
            numbers[role] |= {tracks[face].number} - {0}
    assert sorted(map(tuple, numbers)) == [(1,), (2,), (3,)]


@pytest.mark.real
def test_faces_of_a_panned_and_zoomed_photo_keep_their_numbers(shared):
    detector = RetinaFace(PROJECT / "models/bundled/detector.onnx", side=640, upscale=False, threshold=0.3, batch=1)
    tracker, sights = Tracker(), []
    photo, boxes = next(read_scenes(shared / "data/scenes640", 1))
    for time, frame, truth in pan(photo, boxes, seconds=8.0, fps=10):
        faces = detector.detect([frame])[0]
        tracks, _ = tracker.update(time, frame, faces.boxes, faces.scores)
        sights.append((faces.boxes, [track.number if track else 0 for track in tracks], truth))
    counts = count_changes(sights, (640, 360), smallest=32)
    assert counts["faces"] >= 2
    assert (counts["changes"], counts["shared"]) == (0, 0)


def box_at(x: float, score: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    return np.array([[x, 10, x + 20, 35]], np.float32), np.array([score])


def follow(moments: list[tuple[float, float | None]], score: float = 0.9) -> list[int]:
    """The numbers given to a face at (time, x); x of None = no face in the frame."""
    tracker, picture, numbers = Tracker(), np.full((60, 200, 3), 90, np.uint8), []
    for time, x in moments:
        boxes, scores = box_at(x, score) if x is not None else (np.empty((0, 4)), np.empty(0))
        numbers += [track.number if track else -1 for track in tracker.update(time, picture, boxes, scores)[0]]
    return numbers


def test_a_face_gets_its_number_in_its_third_frame():
    assert follow([(0, 50), (0.1, 50), (0.2, 50)]) == [0, 0, 1]


def test_a_face_that_was_hidden_for_less_than_keep_is_the_same_and_later_another():
    start = [(i / 10, 50.0) for i in range(5)]
    for hidden, number in ((KEEP - 0.2, 1), (KEEP + 0.2, 2)):
        times = [0.4 + hidden / 2, *(0.4 + hidden + i / 10 for i in range(3))]
        again = [(times[0], None), *((time, 50.0) for time in times[1:])]
        assert follow(start + again)[-1] == number


def test_a_hidden_face_is_expected_where_its_way_leads():
    walk = [(i / 10, 10 + 6.0 * i) for i in range(10)]
    gap = [(1.0 + i / 10, None) for i in range(8)]
    assert follow([*walk, *gap, (1.8, 10 + 6.0 * 18)])[-1] == 1
    assert follow([*walk, *gap, (1.8, 10 + 6.0 * 9 - 60)])[-1] == 0  # a new face: the other way is too far


def test_a_weak_detection_starts_no_face_but_continues_one():
    assert follow([(i / 10, 50.0) for i in range(5)], score=0.4) == [-1] * 5
    tracker, picture = Tracker(), np.full((60, 200, 3), 90, np.uint8)
    for i in range(5):
        tracks, _ = tracker.update(i / 10, picture, *box_at(50, 0.9 if i < 3 else 0.4))
    assert tracks[0].number == 1


def test_a_face_in_a_single_frame_never_gets_a_number():
    assert follow([(0, 50), (0.1, None), (0.5, None), (1.0, 50), (1.1, 50)]) == [0, 0, 0]
