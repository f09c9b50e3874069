"""How a stage is run: one at a time, not outliving the `dvc` that started it, errors as sentences."""

import inspect
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from filelock import AcquireReturnProxy, FileLock, Timeout

LOCKS = Path(os.environ.get("DVC_ROOT", ".")) / ".dvc/tmp"
SECONDS = LOCKS / "seconds"  # how long each stage took when it last ran, for the report
PIPELINES = ("dvc.yaml", "data/dvc.yaml")


def run(main: Callable[..., None]) -> None:
    """Call a stage's `main` with the command line's words; what a person got wrong ends in a sentence, not a trace."""
    name = os.environ.get("DVC_STAGE") or Path(sys.argv[0]).stem
    if "DVC_STAGE" in os.environ:
        threading.Thread(target=exit_with_parents, daemon=True).start()
    words = read_words(main, name)
    started = time.monotonic()
    with lock(name):
        try:
            main(*words)
        except ValueError as error:
            if os.environ.get("VISAGE_TRACE"):
                raise
            sys.exit(f"\n{name}: {error}")
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


def ancestors() -> tuple[int, int]:
    """The parent's and the grandparent's process number (the latter 0 where the system does not tell)."""
    parent = os.getppid()
    try:
        stat = Path(f"/proc/{parent}/stat").read_text()
    except OSError:
        return parent, 0
    return parent, int(stat.rpartition(")")[2].split()[1])
