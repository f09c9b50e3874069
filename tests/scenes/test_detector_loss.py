"""Which anchor answers for which face, and what its mistakes cost."""

import pytest
import torch

from detector.loss import (
    BACKGROUND,
    IGNORED,
    assign_faces,
    box_iou,
    box_loss,
    compute_losses,
    landmark_loss,
    nearest_anchors,
    score_loss,
    to_corners,
)
from detector.network import STRIDES, build_anchors

SIZE = 64
ANCHORS = build_anchors(SIZE, SIZE)
LEVEL_SIZES = [2 * (SIZE // stride) ** 2 for stride in STRIDES]
FACE = torch.tensor([[8.0, 8.0, 39.0, 39.0]])  # just where an anchor of 32 px lies
UNKNOWN = torch.full((1, 5, 2), torch.nan)


def flat_outputs(logit: float = 0.0, requires_grad: bool = False):
    """What a network would answer that says the same everywhere: no shift of any anchor."""
    sides = [SIZE // stride for stride in STRIDES]
    maps = [(torch.full((1, 2, s, s), logit), torch.zeros(1, 8, s, s), torch.zeros(1, 20, s, s)) for s in sides]
    return [tuple(part.requires_grad_(requires_grad) for part in level) for level in maps]


def test_the_best_anchor_of_a_face_answers_for_it_and_another_that_fits_does_not_count():
    """Two anchors lie on the face and two elsewhere, so that none exceeds the mean by a standard deviation."""
    near, far = [23.5, 23.5, 32.0], [200.5, 200.5, 32.0]
    assignment = assign_faces(FACE, torch.tensor([near, near, far, far]), [4])
    assert assignment.tolist() == [0, IGNORED, BACKGROUND, BACKGROUND]


def test_every_face_has_an_anchor():
    faces = torch.cat([FACE, torch.tensor([[30.0, 30.0, 45.0, 45.0]])])
    assignment = assign_faces(faces, ANCHORS, LEVEL_SIZES)
    best = box_iou(faces, to_corners(ANCHORS)).argmax(1)
    assert assignment[best].tolist() == [0, 1]


def test_candidates_come_from_every_stride():
    anchors = torch.tensor([[10.0, 10.0, 16.0], [90.0, 90.0, 16.0], [10.0, 10.0, 32.0], [90.0, 90.0, 32.0]])
    assert nearest_anchors(FACE, anchors, [2, 2]).tolist() == [[0, 1, 2, 3]]


def test_an_anchor_is_one_pixel_smaller_than_its_side():
    assert to_corners(torch.tensor([[7.5, 7.5, 16.0]])).tolist() == [[0, 0, 15, 15]]


def test_anchors_of_a_tiny_face_do_not_count():
    tiny = torch.tensor([[20.0, 20.0, 24.0, 24.0]])
    assignment = assign_faces(tiny, ANCHORS, LEVEL_SIZES)
    assert (assignment == IGNORED).any()
    assert not (assignment >= 0).any()


def test_without_faces_all_is_background():
    assert (assign_faces(torch.empty(0, 4), ANCHORS, LEVEL_SIZES) == BACKGROUND).all()


def test_an_anchor_that_lies_on_its_face_costs_no_box_loss_and_a_shifted_one_does():
    anchor = torch.tensor([[23.5, 23.5, 32.0]])
    still, shifted = torch.zeros(1, 4), torch.tensor([[0.2, 0.0, 0.0, 0.0]])
    assert box_loss(still, FACE, anchor).item() == pytest.approx(0, abs=1e-4)
    assert box_loss(shifted, FACE, anchor).item() > 0.1


def test_a_box_beside_its_face_costs_more_the_farther_it_is():
    anchors = torch.tensor([[23.5, 23.5, 32.0], [63.5, 23.5, 32.0], [123.5, 23.5, 32.0]])
    on_it, near, far = (box_loss(torch.zeros(1, 4), FACE, anchor[None]).item() for anchor in anchors)
    assert on_it < 1 < near < far < 2


def test_landmarks_cost_their_distance_in_sides_of_the_anchor_where_they_are_known():
    anchors = torch.tensor([[20.0, 20.0, 10.0]] * 2)
    landmarks = torch.stack([torch.full((5, 2), 25.0), UNKNOWN[0]])
    loss = landmark_loss(torch.zeros(2, 10), landmarks, anchors)
    assert loss.item() == pytest.approx(10 * (0.5 - 0.05 / 2))  # smooth L1: |x| - beta / 2
    assert landmark_loss(torch.full((2, 10), 0.5), landmarks, anchors).item() == pytest.approx(0)


def test_only_the_hardest_negatives_cost():
    logits = torch.tensor([[5.0, 4.0, 3.0, 2.0, -50.0, -50.0]])
    assignments = torch.tensor([[0, BACKGROUND, BACKGROUND, BACKGROUND, BACKGROUND, IGNORED]])
    hardest = torch.nn.functional.softplus(torch.tensor([-5.0, 4.0, 3.0, 2.0])).sum()
    assert score_loss(logits, assignments).item() == pytest.approx(hardest.item())


def test_ignored_anchors_cost_nothing():
    sure = torch.tensor([[5.0, 9.0]])
    one_positive = score_loss(sure[:, :1], torch.tensor([[0]]))
    assert score_loss(sure, torch.tensor([[0, IGNORED]])) == one_positive


@pytest.mark.parametrize("boxes", [FACE, torch.empty(0, 4)], ids=["one face", "no face"])
def test_the_losses_of_a_batch_can_be_learnt_from(boxes):
    outputs = flat_outputs(requires_grad=True)
    losses = compute_losses(outputs, [boxes], [UNKNOWN[: len(boxes)]], ANCHORS)
    sum(losses).backward()
    assert all(torch.isfinite(loss) for loss in losses)
    assert sum(logits.grad.abs().sum() for logits, _, _ in outputs) > 0


def test_faces_of_the_second_photo_are_compared_with_its_own_boxes():
    """The same answers cost the same wherever in the batch their photo stands."""
    outputs = [tuple(part.expand(2, -1, -1, -1) for part in level) for level in flat_outputs()]
    other = torch.tensor([[2.0, 2.0, 17.0, 17.0], [40.0, 40.0, 60.0, 60.0]])
    faces, landmarks = [FACE, other], [UNKNOWN, UNKNOWN.expand(2, -1, -1)]
    there = compute_losses(outputs, faces, landmarks, ANCHORS)
    back = compute_losses(outputs, faces[::-1], landmarks[::-1], ANCHORS)
    assert [loss.item() for loss in there] == pytest.approx([loss.item() for loss in back])
