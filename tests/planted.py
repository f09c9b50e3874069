"""Wrong labels of the kinds that the competition had, planted on purpose, and how many of them an audit finds.

For a whole run: `python -m tests.planted data/photos.csv data/manual/practice/labels.csv` adds them to a file of
corrections; after `dvc repro audit`, the same with `metrics/doubts.csv` as a third word says what was found.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from visage.formats.columns import CORRECTION_COLUMNS


def plant(
    photos: pd.DataFrame, share: float, seed: int, *, swap: Sequence[str] = ("incorrect", "not worn")
) -> pd.DataFrame:
    """Rows for labels.csv that make labels wrong: the gender of a person, an age beyond a border, swapped masks.

    `share` of the people for each of the three kinds; nobody gets two. `photos` are the training photos.
    """
    rng = np.random.default_rng(seed)
    people = photos.drop_duplicates("person").set_index("person").sort_index()
    count = max(1, round(share * len(people)))
    chosen = rng.permutation(people.index.to_numpy())[: 3 * count].reshape(3, count)
    rows = []
    for person in chosen[0]:
        rows.append({"person": person, "field": "gender", "value": "other"})
    for person in chosen[1]:
        others = people.loc[people["age"] != people.loc[person, "age"], "age_value"].to_numpy(float)
        rows.append({"person": person, "field": "age", "value": f"{rng.choice(others):g}"})
    for person in chosen[2]:
        own = photos[photos["person"] == person]
        for mask, other in (swap, swap[::-1]):
            rows.append({"photo": own.loc[own["mask"] == mask, "photo"].iloc[0], "field": "mask", "value": other})
    full = {"confidence": "1", "source": "planted", "note": ""}
    return pd.DataFrame([row | full for row in rows]).reindex(columns=CORRECTION_COLUMNS).fillna("")


def found(doubts: pd.DataFrame, planted: pd.DataFrame, people: int, share: float) -> tuple[float, float]:
    """Precision and recall of the first doubts, as many as `share` of three for each of the people.

    A swap is one doubt and one mistake; it is found where either photo is named.
    """
    wrong = set(zip(planted["person"], planted["photo"].str.rpartition("/")[0], planted["field"], strict=True))
    first = [rows for _, rows in doubts.groupby("source", sort=False)][: round(share * people * 3)]
    named = [set(zip(r["person"], r["photo"].str.rpartition("/")[0], r["field"], strict=True)) for r in first]
    hits = wrong & set().union(*named)
    return sum(bool(one & wrong) for one in named) / max(len(named), 1), len(hits) / len(wrong)


def main(photos: Path, labels: Path, doubts: Path | None = None) -> None:
    table = pd.read_csv(photos, dtype={"person": str}, keep_default_na=False).query("split == 'train'")
    known = pd.read_csv(labels, dtype=str, keep_default_na=False)
    if doubts is None:
        pd.concat([known, plant(table, 0.02, 1)]).to_csv(labels, index=False)
        return
    planted, listed = known[known["source"] == "planted"], pd.read_csv(doubts, dtype=str, keep_default_na=False)
    for share in (0.02, 0.05):
        for field in ("", "mask", "gender", "age"):
            own = planted[planted["field"] == field] if field else planted
            precision, recall = found(listed, own, table["person"].nunique(), share)
            print(f"first {share:.0%}, {field or 'all'}: precision {precision:.2f}, recall {recall:.2f}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
