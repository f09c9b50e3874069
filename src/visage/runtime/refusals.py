"""What the system refuses (no room, no permission, no such file), as sentences that say what to do."""

import errno
import shutil
import sqlite3
from pathlib import Path

SQLITE_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
}
MEMO = "what this stage remembers (the folder `memo` in DVC's cache)"


def describe_refusal(error: OSError | sqlite3.Error) -> str:
    """One sentence: what could not be done to which file, and what helps. Finished work is always kept."""
    if isinstance(error, sqlite3.Error):
        number = SQLITE_ERRNO.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        name = MEMO
    else:
        number, name = error.errno, str(error.filename or "a file")
    if number in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(Path.cwd()).free / 1e6
        return (
            f"the disk is full: {name} could not be written, {free:,.0f} MB are free where the project lies. Make room "
            "and run `dvc repro` again; what is finished is kept."
        )
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{name} may not be read or written by this user ({error}); change its owner or its permissions."
    if number == errno.ENOENT:
        return f"{name} is missing; `dvc repro` makes what a stage needs, in order."
    if number in (errno.EISDIR, errno.ENOTDIR):
        return f"{name} is a folder where a file was wanted, or a file where a folder was; move it away."
    if number == errno.ELOOP:
        return f"{name} is a link that leads back to itself; remove it."
    if number in (errno.EMFILE, errno.ENFILE):
        return f"too many files are open ({name}); allow more with `ulimit -n 4096`, or set VISAGE_WORKERS lower."
    if number == errno.EBUSY:
        return f"{name} is in use by another process; wait for it, or end it."
    return f"the system refused: {error}."
