"""The columns of a table of predictions: photo, fold, kind, and twice a probability for each class.

`<class>` is the mean over the views of test-time augmentation, `first/<class>` the first view, the picture as it is.
"""

from collections.abc import Sequence

KINDS = ("held_out", "eval")
MEAN_VIEW, FIRST_VIEW = "", "first/"  # what stands before a class; no class holds a /


def view_columns(classes: Sequence[str], view: str) -> list[str]:
    return [f"{view}{name}" for name in classes]


def prediction_columns(classes: Sequence[str]) -> list[str]:
    views = (MEAN_VIEW, FIRST_VIEW)
    return ["photo", "fold", "kind", *(column for view in views for column in view_columns(classes, view))]
