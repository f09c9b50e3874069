"""Collect the few scores that `dvc metrics diff` and `dvc exp show` compare."""

import json
from pathlib import Path

from visage.ensemble.summary import summarise_scores
from visage.runtime.stage import run


def main(ensemble: Path, key: Path, attention: Path, scores: Path) -> None:
    parts = [json.loads(path.read_text(encoding="utf-8")) for path in (ensemble, key, attention)]
    scores.write_text(json.dumps(summarise_scores(*parts), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
