import numpy as np
import pytest

from tests.serving.tiny_bundle import group, portraits
from visage.faces.retina import Faces
from visage.serving.bundle import CROPS, Bundle


@pytest.fixture(scope="module")
def bundle(bundle_folder):
    return Bundle.open(bundle_folder)


def test_every_face_has_box_landmarks_probabilities_and_an_answer_for_each_task(bundle):
    for [face] in bundle.find_faces(portraits()):
        assert face.by == "detector" and 0.3 <= face.score <= 1
        assert (face.box[2:] > face.box[:2]).all() and np.isfinite(face.landmarks).all()
        for task in bundle.tasks:
            assert face.probabilities[task.name].sum() == pytest.approx(1)
            assert face.answers[task.name] in task.classes
        assert 10 <= face.years <= 80


def test_people_on_one_photo_are_told_apart(bundle):
    [faces] = bundle.find_faces([group()])
    assert len(faces) == 2 and abs(faces[0].box - faces[1].box).max() > 20
    [largest] = bundle.find_faces([group()], faces="largest")
    sizes = [(face.box[2:] - face.box[:2]).prod() for face in faces]
    assert len(largest) == 1 and (largest[0].box == faces[int(np.argmax(sizes))].box).all()


def test_faces_below_the_least_size_are_left_out(bundle):
    [faces] = bundle.find_faces([group()])
    sides = sorted(min(face.box[2:] - face.box[:2]) for face in faces)
    [rest] = bundle.find_faces([group()], min_size=(sides[0] + sides[1]) / 2)
    assert len(rest) == 1


def test_a_picture_without_a_face_has_none_and_no_pictures_are_no_work(bundle):
    assert bundle.find_faces([np.zeros((40, 50, 3), np.uint8), portraits()[0]])[0] == []
    assert bundle.find_faces([]) == []


def test_a_face_is_judged_the_same_alone_and_among_others(bundle):
    together = bundle.find_faces(portraits())
    for image, [face] in zip(portraits(), together, strict=True):
        [[alone]] = bundle.find_faces([image])
        for task, probabilities in face.probabilities.items():
            assert alone.probabilities[task] == pytest.approx(probabilities, abs=1e-5)


def test_a_crowd_is_judged_as_its_faces_are_alone(bundle):
    [faces] = bundle.detect([group()])
    crowd = faces.select([0, 1] * CROPS)
    [judged] = bundle.classify([group()], [crowd])
    [pair] = bundle.classify([group()], [faces.select([0, 1])])
    assert len(judged) == 2 * CROPS
    for face, alone in zip(judged, pair * CROPS, strict=True):
        assert (face.box == alone.box).all()
        assert face.probabilities["age"] == pytest.approx(alone.probabilities["age"], abs=1e-5)


def test_known_boxes_are_judged_without_detection(bundle):
    [faces] = bundle.detect([group()])
    [found] = bundle.find_faces([group()])
    [judged] = bundle.classify([group()], [faces])
    assert [face.answers for face in judged] == [face.answers for face in found]
    unknown = Faces(faces.boxes[:1], faces.scores[:1], np.full((1, 5, 2), np.nan, np.float32))
    [[face]] = bundle.classify([group()], [unknown])
    assert np.isnan(face.landmarks).all() and face.answers


def test_only_the_networks_of_the_tasks_that_are_asked_for_run(bundle_folder, bundle):
    mask_only = Bundle.open(bundle_folder, tasks=["mask"])
    assert {c.member for c in mask_only.ensemble.classifiers} == {"joint"}
    [[face]] = mask_only.find_faces(portraits()[:1])
    [[full]] = bundle.find_faces(portraits()[:1])
    assert list(face.answers) == ["mask"] and face.years is None
    assert face.probabilities["mask"] == pytest.approx(full.probabilities["mask"])


def test_a_task_that_the_bundle_does_not_know_is_named_with_those_it_knows(bundle_folder):
    with pytest.raises(ValueError, match=r"knows no task 'masks'. Did you mean 'mask'\? It answers mask, gender, age"):
        Bundle.open(bundle_folder, tasks=["masks"])
