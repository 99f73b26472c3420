"""Makes the icons and the picture of the sample data from the phantom: ``python -m Testing.pictures``.

No patient poses here.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image
from scipy import ndimage

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "MSLesionSeg"))

from MSLesionSegLib.phantom import make_phantom  # noqa: E402

ICON_SIZE = 128
THUMBNAIL_SIZE = (280, 260)
LESION_COLOUR, CORRECTED_COLOUR = (255, 140, 0), (70, 220, 90)
ICONS = {
    "Resources/Icons/MSLesionSeg.png": LESION_COLOUR,
    "MSLesionSeg/Resources/Icons/MSLesionSeg.png": LESION_COLOUR,
    "MSLesionSegTraining/Resources/Icons/MSLesionSegTraining.png": CORRECTED_COLOUR,
}
THUMBNAIL = "MSLesionSeg/Resources/Icons/MSLesionSegPhantom.png"


def slice_with_lesions(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The axial FLAIR slice with most lesion, 8 bits, and its lesions, both (y, x) seen from below."""
    flair = sitk.GetArrayFromImage(sitk.ReadImage(folder / "FLAIR.nii.gz")).astype(float)
    truth = sitk.GetArrayFromImage(sitk.ReadImage(folder / "lesions_truth.nii.gz")) > 0
    z = int(truth.sum(axis=(1, 2)).argmax())
    grey = np.clip(flair[z] / np.percentile(flair[z], 99.5), 0, 1) * 255
    return grey.astype(np.uint8), truth[z]


def picture(
    grey: np.ndarray,
    lesions: np.ndarray,
    size: tuple[int, int],
    colour_of_lesions: tuple[int, int, int] = LESION_COLOUR,
    scale: int = 4,
) -> Image.Image:
    """The slice with outlined lesions, cut to the head, in the middle of a black picture; ``size`` is width, height."""
    inside = ndimage.binary_opening(grey > 30, iterations=2)
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    grey, lesions = grey[box], lesions[box]
    large = Image.fromarray(grey).resize((grey.shape[1] * scale, grey.shape[0] * scale), Image.Resampling.BICUBIC)
    colour = np.array(large.convert("RGB"))
    mask = ndimage.zoom(lesions.astype(float), scale, order=1, grid_mode=True, mode="grid-constant") > 0.5
    colour[ndimage.binary_dilation(mask, iterations=scale) & ~mask] = colour_of_lesions
    head = Image.fromarray(colour)
    head.thumbnail(size, Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", size)
    canvas.paste(head, ((size[0] - head.width) // 2, (size[1] - head.height) // 2))
    return canvas


def main() -> None:
    """Write the pictures into the repository."""
    with tempfile.TemporaryDirectory() as folder:
        make_phantom(Path(folder) / "phantom")
        grey, lesions = slice_with_lesions(Path(folder) / "phantom")
    for name, colour in ICONS.items():
        (REPOSITORY / name).parent.mkdir(parents=True, exist_ok=True)
        picture(grey, lesions, (ICON_SIZE, ICON_SIZE), colour).save(REPOSITORY / name, optimize=True)
    picture(grey, lesions, THUMBNAIL_SIZE).save(REPOSITORY / THUMBNAIL, optimize=True)


if __name__ == "__main__":
    main()
