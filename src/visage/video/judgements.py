"""What a face is judged to be, smoothed over the frames in which it was seen.

What may change (a mask) is an average of log probabilities that forgets, and answers only when another class has held
for a while; what belongs to the person (gender, age) is the plain average over all frames.
"""

import math

import numpy as np

FORGET = 0.25  # s after which a judgement of what may change counts 1/e
HOLD = 0.3  # s for which another class has to be the most probable until it is the answer
MEMORY = 5.0  # s of judgements in which the moment of a change is looked for
FEWEST = 3  # judgements before the first answer
FLOOR = 0.01  # a probability below this counts as this: one frame alone decides nothing


class Judgement:
    """One task about one face. `answer` is the number of a class; None = too few judgements so far.

    `offsets` (nats, one for each class) are those of the bundle's decision rule.
    """

    def __init__(self, offsets: np.ndarray, changes: bool) -> None:
        self.offsets, self.changes = offsets, changes
        self.log_sum, self.count = np.zeros(len(offsets)), 0
        self.recent: list[tuple[float, np.ndarray]] = []  # time (s) and scores of the last MEMORY seconds
        self.answer: int | None = None
        self.rival, self.rival_since = -1, math.nan  # another class that is the most probable, and since when

    def add(self, time: float, probabilities: np.ndarray) -> float | None:
        """Take in a judgement; returns since when (s) there is another answer, None while it is the same."""
        logs = np.log(np.maximum(probabilities, FLOOR)) + self.offsets
        kept = math.exp((self.recent[-1][0] - time) / FORGET) if self.changes and self.recent else 1.0
        self.log_sum, self.count = kept * self.log_sum + logs, self.count + 1
        self.recent = [row for row in self.recent if time - row[0] <= MEMORY] + [(time, logs)]
        best = int(np.argmax(self.log_sum))
        if best == self.answer:
            self.rival = -1
        elif best != self.rival:
            self.rival, self.rival_since = best, time
        if self.rival < 0 or time - self.rival_since < HOLD or self.count < FEWEST:
            return None
        since = self.find_change(best)
        self.answer, self.rival = best, -1
        return since

    def find_change(self, answer: int) -> float:
        """The time (s) from which on `answer` explains the recent judgements better than the one before does."""
        if self.answer is None:
            return self.recent[0][0]
        gains = np.array([logs[answer] - logs[self.answer] for _, logs in self.recent])
        return self.recent[int(np.argmax(np.cumsum(gains[::-1])[::-1]))][0]

    @property
    def best(self) -> int:
        """The answer; while there is none, the most probable class."""
        return int(np.argmax(self.log_sum)) if self.answer is None else self.answer

    @property
    def in_doubt(self) -> bool:
        """Whether the next frame should be judged, too: no answer yet, or the last judgement was another."""
        return self.answer is None or self.rival >= 0 or int(np.argmax(self.recent[-1][1])) != self.answer
