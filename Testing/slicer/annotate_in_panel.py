"""A person at the panel of a process of its own: ``annotate_in_panel.py FOLDER WHO SECONDS [--draft]``.

Goes through the work list as fast as the panel lets: draws in each case, goes back and forth, finishes, until the
seconds are over or nothing is free. Prints a line a finished case: its name and the SHA-256 of the mask's voxels.

With ``--draft`` one case is drawn in, saved by the timer, drawn in again, and kept open until the process is ended.
"""

import hashlib
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "MSLesionSeg"), str(REPOSITORY / "MSLesionSegTraining"), str(REPOSITORY)]

import numpy as np  # noqa: E402
import SimpleITK as sitk  # noqa: E402
from Testing.host.start import start_host  # noqa: E402

host = start_host()
host.failures.catch_exceptions()

from MSLesionSegScene.segments import read_segment, write_segment  # noqa: E402


def draw(panel, rng) -> None:
    """A cube more in the reader's mask."""
    state = panel.context.study.state
    mask = read_segment(state.segmentation, "reader", state.flair)
    z, y, x = (int(rng.integers(2, n - 4)) for n in mask.shape)
    mask[z : z + 2, y : y + 2, x : x + 2] = True
    write_segment(state.segmentation, "reader", state.flair, mask)
    host.app.processEvents()


def annotate(section, panel, seconds: float, rng) -> None:
    """Correct and finish cases."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        section.ui.refreshButton.click()
        section.correct.step(1)
        case = section.correct.case
        if case is None or case.row.state == "done":
            break
        for _ in range(2):
            draw(panel, rng)
            section.ui.saveButton.click()
        voxels = sitk.GetArrayFromImage(case.mask())
        section.ui.doneButton.click()
        if section.correct.case is None:
            print(case.name, hashlib.sha256(voxels).hexdigest(), flush=True)


def leave_a_draft(section, panel, rng) -> None:
    """Draw, let the timer save, draw again, and wait for the end."""
    section.correct.step(1)
    draw(panel, rng)
    section.correct._save_timer.setInterval(20)
    while not str(section.ui.savedLabel.text):
        host.app.processEvents()
    section.correct._save_timer.stop()
    voxels = sitk.GetArrayFromImage(section.correct.case.mask())
    draw(panel, rng)
    print(section.correct.case.name, hashlib.sha256(voxels).hexdigest(), flush=True)
    while True:
        host.app.processEvents()
        time.sleep(0.01)


def main(folder: Path, who: str, seconds: float, *, draft: bool) -> None:
    widget = host.open_module("MSLesionSegTraining")
    panel, section = widget.panel, widget.panel.sections["worklist"]
    section.ui.annotatorEdit.setText(who)
    section.ui.goOnCheck.setChecked(False)
    panel.context.choose_folder(folder)
    rng = np.random.default_rng(sum(who.encode()))
    if draft:
        leave_a_draft(section, panel, rng)
    annotate(section, panel, seconds, rng)
    host.close_module(widget)
    told = host.failures.take()
    if told:
        print("\n".join(told), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), draft="--draft" in sys.argv)
