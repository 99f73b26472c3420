"""An annotator who never tires: ``annotate.py FOLDER WHO SECONDS`` takes, drafts and finishes cases until none is left.

Prints a line a finished case: its name, and the SHA-256 of the voxels of its mask. Where all is done it reads cases of
others a second time.
"""

import hashlib
import sys
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.images import read_image
from MSLesionSegTrainingLib.worklist.claims import CaseTaken
from MSLesionSegTrainingLib.worklist.drafts import save_draft
from MSLesionSegTrainingLib.worklist.saving import add_second_reading, finish_case
from MSLesionSegTrainingLib.worklist.work_list import WorkCase, next_case, take, work_list


def drawn(flair: sitk.Image, rng: np.random.Generator) -> sitk.Image:
    """A mask of three cubes at random places."""
    voxels = np.zeros(flair.GetSize()[::-1], np.uint8)
    for _ in range(3):
        z, y, x = (int(rng.integers(2, n - 4)) for n in voxels.shape)
        voxels[z : z + 2, y : y + 2, x : x + 2] = 1
    mask = sitk.GetImageFromArray(voxels)
    mask.CopyInformation(flair)
    return mask


def correct(root: Path, case: WorkCase, who: str, rng: np.random.Generator) -> None:
    """Three drafts and a finished mask of one case, or a second reading of one that is done."""
    claim = take(root, case, who)
    flair = read_image(case.study.images["FLAIR"])
    if case.state == "done":
        add_second_reading(root, claim, drawn(flair, rng), 5.0)
        return
    for number in range(3):
        save_draft(claim, drawn(flair, rng), number)
        time.sleep(0.02)
    mask = drawn(flair, rng)
    finish_case(root, claim, mask, 60.0)
    digest = hashlib.sha256(sitk.GetArrayViewFromImage(mask)).hexdigest()
    print(case.name, digest, flush=True)


def main(root: Path, who: str, seconds: float) -> None:
    rng = np.random.default_rng(sum(who.encode()))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        cases = work_list(root)
        chosen = next_case(cases)
        if chosen is None:
            others = [case for case in cases if case.state == "done" and case.annotator != who and case.claim is None]
            if not others:
                return
            chosen = others[int(rng.integers(len(others)))]
        try:
            correct(root, chosen, who, rng)
        except CaseTaken:
            continue


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
