"""What a table says of people beside the labels, such as race: by it answers are compared between groups."""

from collections.abc import Sequence

import pandas as pd

from visage.formats.tasks import Task

MOST_GROUPS = 12  # a column with more different values names people or measures something


def list_groups(fields: pd.DataFrame, people: pd.Series, tasks: Sequence[Task]) -> pd.DataFrame:
    """The columns of training photos that put their people into a few groups, in the table's order.

    `fields` is what the layout says of each photo, as text, and `people` are the same photos' people. Not a group is
    what a label is read from, and what has on average fewer than two people to a value, as an id. '' is unknown.
    """
    sources, known = {task.source for task in tasks}, people.nunique()
    columns = []
    for name in fields:
        values = set(fields[name]) - {""}
        if name not in sources and 2 <= len(values) <= min(MOST_GROUPS, known // 2):
            columns.append(name)
    return fields[columns]
