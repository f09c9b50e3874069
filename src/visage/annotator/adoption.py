"""Taking in a folder of one's own photos: a place below data/raw, and empty files for corrections by hand."""

from pathlib import Path

from visage.formats.columns import CORRECTION_COLUMNS, MANUAL_BOX_COLUMNS
from visage.runtime.params import check_name


def adopt_folder(name: str, folder: Path, raw: Path, manual: Path) -> list[Path]:
    """Link the folder under its name and begin its corrections; what is there already stays. Returns what is new."""
    check_name(name, "the set")
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder of photos.")
    link, created = raw / name, []
    if link.exists() and link.resolve() != folder.resolve():
        raise ValueError(f"{link} is there already and is another folder; choose another name.")
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder.resolve(), target_is_directory=True)
        created.append(link)
    for file, columns in (("boxes.csv", MANUAL_BOX_COLUMNS), ("labels.csv", CORRECTION_COLUMNS)):
        path = manual / name / file
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(",".join(columns) + "\n", encoding="utf-8")
            created.append(path)
    return created
