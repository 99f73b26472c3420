"""Where the real studies lie."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from MSLesionSegTrainingLib.canvases import Canvas
from MSLesionSegTrainingLib.case_loading import load_case
from MSLesionSegTrainingLib.cases import Case
from MSLesionSegTrainingLib.prepared_cache import PreparedCache

REPOSITORY = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    """Folder of the real studies (``MSLESIONSEG_DATA``, default ``../shared/data``); ends the program without one."""
    folder = Path(os.environ.get("MSLESIONSEG_DATA", REPOSITORY / ".." / "shared" / "data")).resolve()
    if not (folder / "cross-sectional").is_dir():
        raise SystemExit(f"No real studies in {folder}; set MSLESIONSEG_DATA.")
    return folder


def labelled_canvas(patient: str) -> Canvas:
    """A labelled patient of the cross-sectional set, prepared and held in memory, cropped to the brain."""
    root = data_folder() / "cross-sectional"
    images = {name: root / patient / "anat" / f"{patient}_space-MNI_{name}.nii.gz" for name in ("FLAIR", "T1w", "T2w")}
    mask = root / "derivatives" / "consensus" / patient / "anat" / f"{patient}_space-MNI_label-lesion_mask.nii.gz"
    with tempfile.TemporaryDirectory() as folder:
        canvas, _ = load_case(PreparedCache(Path(folder)), Case(patient, patient, images, mask))
        return replace(
            canvas, channels=canvas.channels.clone(), brain=canvas.brain.clone(), lesion=canvas.lesion.clone()
        )
