"""How a stage is run: one at a time, not outliving the `dvc` that started it, errors as sentences."""

import inspect
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from filelock import AcquireReturnProxy, FileLock, Timeout

from visage.runtime.refusals import describe_refusal

LOCKS = Path(os.environ.get("DVC_ROOT", ".")) / ".dvc/tmp"
SECONDS = LOCKS / "seconds"  # how long each stage took when it last ran, for the report
PIPELINES = ("dvc.yaml", "data/dvc.yaml")


def run(main: Callable[..., None]) -> None:
    """Call a stage's `main` with the command line's words; what a person got wrong ends in a sentence, not a trace."""
    name = os.environ.get("DVC_STAGE") or Path(sys.argv[0]).stem
    if "DVC_STAGE" in os.environ:
        if is_orphan():
            sys.exit(f"{name}: the `dvc` that started this stage is gone.")
        threading.Thread(target=exit_with_parents, daemon=True).start()
    words = read_words(main, name)
    started = time.monotonic()
    with lock(name):
        try:
            main(*words)
        except (ValueError, OSError, sqlite3.Error) as error:
            if os.environ.get("VISAGE_TRACE"):
                raise
            sys.exit(f"\n{name}: {error if isinstance(error, ValueError) else describe_refusal(error)}")
        except KeyboardInterrupt:
            sys.exit(f"\n{name}: interrupted; what is finished is kept.")
        (SECONDS / name.replace("/", "-")).write_text(f"{time.monotonic() - started:.1f}\n")


def read_words(main: Callable[..., None], name: str) -> list[Path]:
    """The command line as paths; `--help`, or a number of words that `main` does not take, ends in an explanation."""
    words, signature = [Path(word) for word in sys.argv[1:]], inspect.signature(main)
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(usage(signature))
        sys.exit(0)
    try:
        signature.bind(*words)
    except TypeError:
        sys.exit(f"{name}: {len(words)} paths are given, and these are wanted:\n{usage(signature)}")
    return words


def usage(signature: inspect.Signature) -> str:
    """What the stage is for, its words, and the command that dvc.yaml calls it with."""
    script = Path(sys.argv[0])
    names = [f"{'*' if p.kind is p.VAR_POSITIONAL else ''}{p.name}" for p in signature.parameters.values()]
    lines = [inspect.getdoc(sys.modules["__main__"]) or "", "", f"python stages/{script.name} {' '.join(names)}"]
    if command := find_command(script.name):
        lines += ["", f"In dvc.yaml, and so best run by `dvc repro`:\n{command}"]
    return "\n".join(lines)


def find_command(script: str) -> str:
    """The first command of the pipeline that runs a script of stages/."""
    for file in map(Path, PIPELINES):
        stages = yaml.safe_load(file.read_text(encoding="utf-8"))["stages"] if file.is_file() else {}
        for stage in stages.values():
            if f"stages/{script}" in stage["cmd"].split():
                return stage["cmd"]
    return ""


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


def is_orphan() -> bool:
    """Whether the starting `dvc` was killed while this stage was still importing: somebody else is the parent now.

    Whoever adopts orphans (init, or the user's session manager) is in another session, or is process 1 and no `dvc`.
    """
    starter = os.getppid()
    try:
        if sys.argv[0] in command_line(starter):  # the shell in between
            starter = parent_of(starter)
        return os.getsid(starter) != os.getsid(0) or (starter == 1 and "dvc" not in command_line(1))
    except ProcessLookupError:  # ended between two of these calls
        return True
    except (OSError, AttributeError):  # a system that does not tell
        return False


def ancestors() -> tuple[int, int]:
    """The parent's and the grandparent's process number (the latter 0 where the system does not tell)."""
    parent = os.getppid()
    try:
        return parent, parent_of(parent)
    except OSError:
        return parent, 0


def parent_of(process: int) -> int:
    stat = Path(f"/proc/{process}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def command_line(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
