"""Where the real studies lie."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    """Folder of the real studies (``MSLESIONSEG_DATA``, default ``../shared/data``); ends the program without one."""
    folder = Path(os.environ.get("MSLESIONSEG_DATA", REPOSITORY / ".." / "shared" / "data")).resolve()
    if not (folder / "cross-sectional").is_dir():
        raise SystemExit(f"No real studies in {folder}; set MSLESIONSEG_DATA.")
    return folder
