"""How a stage is run: one at a time, not outliving the `dvc` that started it, errors as sentences."""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from filelock import AcquireReturnProxy, FileLock, Timeout

LOCKS = Path(os.environ.get("DVC_ROOT", ".")) / ".dvc/tmp"
SECONDS = LOCKS / "seconds"  # how long each stage took when it last ran, for the report


def run(main: Callable[..., None]) -> None:
    """Call a stage's `main` with the command line's paths; what a person got wrong ends in a sentence, not a trace."""
    name = os.environ.get("DVC_STAGE") or Path(sys.argv[0]).stem
    if "DVC_STAGE" in os.environ:
        threading.Thread(target=exit_with_parents, daemon=True).start()
    started = time.monotonic()
    with lock(name):
        try:
            main(*map(Path, sys.argv[1:]))
        except ValueError as error:
            if os.environ.get("VISAGE_TRACE"):
                raise
            sys.exit(f"\n{name}: {error}")
        (SECONDS / name.replace("/", "-")).write_text(f"{time.monotonic() - started:.1f}\n")


def lock(name: str) -> AcquireReturnProxy:
    """Held until the `with` block or the process ends. A stage that is still running elsewhere is waited for."""
    SECONDS.mkdir(parents=True, exist_ok=True)
    held = FileLock(LOCKS / f"stage-{name.replace('/', '-')}.lock")
    try:
        return held.acquire(blocking=False)
    except Timeout:
        print(f"{name}: the same stage is running in another process; waiting for it to end.", file=sys.stderr)
        return held.acquire()


def exit_with_parents(every: float = 0.5) -> None:
    """Exit when the shell or the `dvc` above it is gone: a killed `dvc` would leave this stage running."""
    above = ancestors()
    while ancestors() == above:
        time.sleep(every)
    os._exit(1)


def ancestors() -> tuple[int, int]:
    """The parent's and the grandparent's process number (the latter 0 where the system does not tell)."""
    parent = os.getppid()
    try:
        stat = Path(f"/proc/{parent}/stat").read_text()
    except OSError:
        return parent, 0
    return parent, int(stat.rpartition(")")[2].split()[1])
