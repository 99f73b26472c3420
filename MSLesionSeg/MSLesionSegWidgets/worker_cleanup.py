"""What a process that was ended by force leaves beside the folder of its result. Plain Python, no Qt."""

from pathlib import Path

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.results import ResultFolder


def remove_leftovers(out: Path) -> None:
    """Remove a half-written result beside ``out`` and the lock file, and put an earlier result back under its name.

    Does nothing while another process writes there. An earlier result and files of other programs are not touched.
    """

    class Leave(Exception):
        """Leaves the block, which clears up on entry and writes nothing on this way out."""

    if not out.parent.is_dir():
        return
    try:
        with ResultFolder(out):
            raise Leave
    except (Leave, MSLesionSegError):
        pass
