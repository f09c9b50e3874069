"""The exact assignment of rows to columns at the least total cost, in numpy: serving needs no scipy."""

import numpy as np


def assign(costs: np.ndarray) -> np.ndarray:
    """For each row its column, so that the sum of `costs` (rows x columns, finite, rows <= columns) is the least.

    Shortest augmenting paths with row and column potentials (Jonker and Volgenant), O(rows² x columns).
    """
    rows, columns = costs.shape
    if rows > columns:
        raise ValueError(f"{rows} rows cannot have a column each of {columns}.")
    row_of = np.full(columns + 1, -1)  # the last column is where every search starts
    row_potential, column_potential = np.zeros(rows), np.zeros(columns + 1)
    for row in range(rows):
        row_of[columns], column = row, columns
        distance = np.full(columns, np.inf)  # of the shortest path to each column
        before = np.full(columns, columns)  # the column before it on that path
        visited = np.zeros(columns + 1, bool)
        while row_of[column] >= 0:
            visited[column] = True
            current = row_of[column]
            reduced = costs[current] - row_potential[current] - column_potential[:columns]
            nearer = ~visited[:columns] & (reduced < distance)
            distance[nearer], before[nearer] = reduced[nearer], column
            nearest = int(np.argmin(np.where(visited[:columns], np.inf, distance)))
            step = distance[nearest]
            row_potential[row_of[visited]] += step
            column_potential[visited] -= step
            distance[~visited[:columns]] -= step
            column = nearest
        while column != columns:
            row_of[column] = row_of[before[column]]
            column = before[column]
    column_of = np.full(rows, -1)
    column_of[row_of[:columns][row_of[:columns] >= 0]] = np.flatnonzero(row_of[:columns] >= 0)
    return column_of
