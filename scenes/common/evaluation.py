"""How the networks are evaluated."""

from typing import Any

from pydantic import Field

from visage.runtime.params import Params


class EvaluateParams(Params):
    """Section `evaluate`."""

    seed: int = Field(ge=0)
    people: int = Field(ge=1)
    threshold: float = Field(gt=0, lt=1)  # least score of a face in recall, precision and counts


def round_scores(scores: dict[str, Any]) -> dict[str, Any]:
    """Nested numbers to four decimals."""
    return {
        name: round_scores(value) if isinstance(value, dict) else round(float(value), 4)
        for name, value in scores.items()
    }
