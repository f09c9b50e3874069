"""Where work runs: how many cores, which device. Taken from the environment, so that it never changes a result."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def count_workers() -> int:
    """`VISAGE_WORKERS`, or every core that this process may use."""
    asked = os.environ.get("VISAGE_WORKERS", "")
    if not asked:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not asked.isdigit() or int(asked) < 1:
        raise ValueError(f"VISAGE_WORKERS is {asked!r}; set it to a whole number from 1, or unset it.")
    return int(asked)


def select_device() -> str:
    """`VISAGE_DEVICE`, or the fastest that torch finds: cuda, mps, cpu."""
    asked = os.environ.get("VISAGE_DEVICE", "")
    if asked:
        return asked
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def map_threads(function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int = 4) -> Iterator[Result]:
    """`map` over threads, results in order; at most `ahead` items per worker wait, so memory stays flat."""
    count = count_workers()
    with ThreadPoolExecutor(count) as pool:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= count * ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # an error or a caller that stops early leaves nothing running
            for future in waiting:
                future.cancel()
