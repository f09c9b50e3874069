"""The few scores that a person compares between runs: `metrics/scores.json`, the pipeline's only `metrics:` entry."""

from collections.abc import Mapping
from typing import Any

DIGITS = 3  # what lies beyond is noise, and three digits keep `dvc exp show` narrow


def summarise_scores(
    evaluation: Mapping[str, Any], key: Mapping[str, Any], attention: Mapping[str, Any]
) -> dict[str, float]:
    """joint with low and high (95% over people), on the key if there is one, log loss; macro F1 and background a task.

    All out of fold but `key`. `<task>_bg` is the share of the network's attention that falls on the background.
    """
    joint = evaluation["joint"]
    scores = {"joint": joint["macro_f1"], "low": joint["low"], "high": joint["high"]}
    if "joint" in key:
        scores["key"] = key["joint"]["macro_f1"]
    scores["log_loss"] = joint["log_loss"]
    scores |= {task: card["macro_f1"] for task, card in evaluation["tasks"].items()}
    scores |= {f"{task}_bg": parts["attention"]["all"]["background"] for task, parts in attention.items()}
    return {name: round(value, DIGITS) for name, value in scores.items()}
