"""Wrong labels of the kinds that the competition had, planted on purpose, and how many of them an audit finds.

For a whole run: `python -m tests.planted data/photos.csv data/manual/practice/labels.csv` adds them to a file of
corrections; after `dvc repro audit`, the same with `metrics/doubts.csv` as a third word prints precision and recall.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from visage.formats.columns import CORRECTION_COLUMNS
from visage.formats.tables import read_text_table, read_train_photos
from visage.formats.tasks import Task, classify
from visage.index.corrections import apply_corrections


def plant(
    photos: pd.DataFrame, share: float, seed: int, *, swap: Sequence[str] = ("incorrect", "not worn")
) -> pd.DataFrame:
    """Rows for labels.csv that make labels wrong: the gender of a person, an age beyond a border, swapped masks.

    `share` of the people for each of the three kinds; nobody gets two. `photos` are the training photos.
    """
    rng = np.random.default_rng(seed)
    people = photos.drop_duplicates("person").set_index("person").sort_index()
    count = max(1, round(share * len(people)))
    wrong_gender, wrong_age, swapped = rng.permutation(people.index.to_numpy())[: 3 * count].reshape(3, count)
    rows = [{"person": person, "field": "gender", "value": "other"} for person in wrong_gender]
    for person in wrong_age:
        others = people.loc[people["age"] != people.loc[person, "age"], "age_value"].to_numpy(float)
        rows.append({"person": person, "field": "age", "value": f"{rng.choice(others):g}"})
    for person in swapped:
        own = photos[photos["person"] == person]
        for mask, other in (swap, swap[::-1]):
            rows.append({"photo": own.loc[own["mask"] == mask, "photo"].iloc[0], "field": "mask", "value": other})
    constants = {"confidence": "1", "source": "planted", "note": ""}
    return pd.DataFrame([row | constants for row in rows]).reindex(columns=CORRECTION_COLUMNS).fillna("")


def with_mistakes(photos: pd.DataFrame, planted: pd.DataFrame, tasks: Sequence[Task]) -> pd.DataFrame:
    """The photos as `index` would list them with the planted rows; the last task is the age."""
    raw = photos.assign(age=photos["age_value"].astype(str)).drop(columns="age_value")
    wrong = apply_corrections(raw, planted, tasks, confidence=0.5, file="planted")
    wrong["age_value"] = wrong["age"].astype(float)
    return wrong.assign(age=classify(wrong["age_value"], tasks[-1])[0])


def audit_scores(issues: pd.DataFrame, planted: pd.DataFrame, people: int, share: float) -> tuple[float, float]:
    """Precision and recall of the first issues, as many as `share` of three for each of the people.

    A swap is one issue and one mistake; it counts as a hit where either photo is named.
    """
    mistakes = facts(planted)
    first = [rows for _, rows in issues.groupby("source", sort=False)][: round(share * people * 3)]
    reported = [facts(rows) for rows in first]
    hits = mistakes & set().union(*reported)
    precision = sum(bool(issue & mistakes) for issue in reported) / max(len(reported), 1)
    return precision, len(hits) / len(mistakes)


def facts(rows: pd.DataFrame) -> set[tuple[str, str, str]]:
    """What each row is about: the person or the photo's folder, and the field."""
    return set(zip(rows["person"], rows["photo"].str.rpartition("/")[0], rows["field"], strict=True))


def main(photos: Path, labels: Path, issues: Path | None = None) -> None:
    table, corrections = read_train_photos(photos), read_text_table(labels)
    if issues is None:
        pd.concat([corrections, plant(table, 0.02, 1)]).to_csv(labels, index=False)
        return
    planted, listed = corrections[corrections["source"] == "planted"], read_text_table(issues)
    for share in (0.02, 0.05):
        for field in ("", "mask", "gender", "age"):
            own = planted[planted["field"] == field] if field else planted
            precision, recall = audit_scores(listed, own, table["person"].nunique(), share)
            print(f"first {share:.0%}, {field or 'all'}: precision {precision:.2f}, recall {recall:.2f}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
