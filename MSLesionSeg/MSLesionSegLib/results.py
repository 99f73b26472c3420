"""The folder of a result: written whole or not at all.

Files are written into a hidden folder beside the result, ``.NAME.partial-PID``, which takes the name of the result
when all is there. An earlier result is moved aside first (``.NAME.previous-PID``) and deleted afterwards. A process
killed at any moment leaves the old or the new result under its name, or, if killed between the two renames, the old one
as ``.NAME.previous-PID``; the next run on the folder puts it back, and removes what else was left. A lock beside the
folder (``.NAME.lock``) admits one process at a time. (A power cut is another matter: nothing is forced to the disk.)

Nothing that the program did not write is ever deleted: a folder counts as an earlier result only when its
``provenance.json`` says so, it holds no other file, and no file was changed since.
"""

import contextlib
import errno
import os
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import SimpleITK as sitk

from .errors import OutputError
from .folder_lock import FolderLock
from .nifti import write_nifti
from .provenance import PROVENANCE_FILE, file_sha256, read_provenance

_DESKTOP_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_NEW_FOLDER = "Name a new or an empty folder."
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than allowed",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the disk is read-only",
    errno.ENAMETOOLONG: "the name is too long",
}
_RENAME_TRIES = 5


class ResultFolder:
    """Context manager: files are written beside ``out`` and appear there, all together, when the block ends well.

    An exception inside the block leaves ``out`` as it was and removes everything written.

    Attributes:
        path: the folder asked for, absolute.
        staging: where the files of the new result lie inside the block.
        earlier: provenance of the result that ``path`` held on entry; None where there was none.

    Raises (on entry or exit):
        OutputError: the folder cannot be written, holds other files, is a file, or is in use by another process.
    """

    def __init__(self, out: Path | str) -> None:
        self.path = Path(os.path.realpath(Path(out).expanduser()))
        self.staging = self._beside(f"partial-{os.getpid()}")
        self.earlier: dict[str, Any] | None = None
        self._lock = FolderLock(self._beside("lock"))
        self._made_parents: list[Path] = []
        self._seen: dict[str, tuple[int, int]] = {}  # name -> size, time of change

    def __enter__(self) -> "ResultFolder":
        try:
            self._check_place()
            self._make_parents()
            self._lock.acquire(self.path)
            self._clear_leftovers()
            self._check_replaceable()
            self.staging.mkdir()
        except BaseException as error:
            self._abandon()
            if isinstance(error, OSError):
                raise _output_error(self.path, error) from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._commit()
        except OSError as failure:
            error = failure
        finally:
            self._abandon()
        if isinstance(error, OSError) and self._concerns_us(error):
            raise _output_error(self.path, error) from error

    @property
    def earlier_files(self) -> list[str]:
        """Names of the files of the earlier result, each as the program wrote it."""
        return sorted(self._seen)

    def file(self, name: str) -> Path:
        """Path of file ``name`` of the new result, to be written to inside the block."""
        return self.staging / name

    def write_image(self, name: str, image: sitk.Image) -> None:
        """Write an image as ``.nii.gz``; equal images give equal bytes (see :func:`~.nifti.write_nifti`)."""
        write_nifti(self.file(name), image)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, UTF-8, line ends as they are."""
        self.file(name).write_bytes(text.encode("utf-8"))

    def write_transform(self, name: str, transform: sitk.Transform) -> None:
        """Write a transform as ITK text (``.tfm``), as ``SimpleITK.Resample`` takes it."""
        path = self.file(name)
        try:
            sitk.WriteTransform(transform, str(path))
            sitk.ReadTransform(str(path))  # ITK does not report a full disk
        except RuntimeError as error:
            raise OSError(errno.EIO, "ITK could not write the transform", str(path)) from error

    def keep(self, name: str) -> None:
        """Take a file of the earlier result over into the new one, without copying where the disk allows it."""
        try:
            os.link(self.path / name, self.file(name))
        except OSError:
            shutil.copy2(self.path / name, self.file(name))

    def _beside(self, ending: str) -> Path:
        return self.path.parent / f".{self.path.name}.{ending}"

    def _check_place(self) -> None:
        if os.path.ismount(self.path):
            raise OutputError(
                f"{self.path} is a disk or a mounted folder and cannot be replaced as a whole.",
                f"Name a folder inside it, such as {self.path / 'result'}.",
            )
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"{self.path} is a file, not a folder.", _NEW_FOLDER)

    def _make_parents(self) -> None:
        missing = [parent for parent in self.path.parents if not parent.exists()]
        for parent in reversed(missing):
            parent.mkdir(exist_ok=True)
            self._made_parents.append(parent)

    def _clear_leftovers(self) -> None:
        """Under the lock, anything of this name left beside the folder is from a killed run."""
        leftovers = sorted(self.path.parent.glob(f"{_literal(self._beside('previous-').name)}*"))
        if leftovers and _is_missing_or_empty(self.path):
            if self.path.exists():
                self.path.rmdir()
            _rename(leftovers.pop(), self.path)
        for leftover in (*leftovers, *self.path.parent.glob(f"{_literal(self._beside('partial-').name)}*")):
            shutil.rmtree(leftover, ignore_errors=True)

    def _check_replaceable(self) -> None:
        """Refuse a folder that holds anything the program did not write, or that a person changed since."""
        if _is_missing_or_empty(self.path):
            return
        entries = _entries(self.path)
        self.earlier = read_provenance(self.path)
        outputs = self.earlier.get("outputs", {}) if self.earlier else {}
        for name in sorted(entries):
            if self.earlier is None or (name != PROVENANCE_FILE and name not in outputs):
                raise OutputError(
                    f"{self.path} holds files that are not a result of this program, such as {name}.", _NEW_FOLDER
                )
            if name in outputs and file_sha256(self.path / name) != outputs[name]:
                raise OutputError(
                    f"{self.path / name} was changed after it was written and would be lost.",
                    "Move it elsewhere, or name another folder.",
                )
        self._seen = entries

    def _commit(self) -> None:
        """Swap the new result in. What came into the folder meanwhile is not touched."""
        if self.path.exists() and _entries(self.path) != self._seen:
            raise OutputError(
                f"The files in {self.path} changed while the new result was made; they are left alone.",
                "Move them elsewhere and start again, or name another folder.",
            )
        previous = None
        if self.path.exists():
            previous = self._beside(f"previous-{os.getpid()}")
            _rename(self.path, previous)
        try:
            _rename(self.staging, self.path)
        except BaseException:
            if previous is not None:
                _rename(previous, self.path)
            raise
        self._made_parents.clear()
        if previous is not None:
            shutil.rmtree(previous, ignore_errors=True)

    def _abandon(self) -> None:
        """Remove what is left of the block: staged files, lock, parents made for nothing."""
        shutil.rmtree(self.staging, ignore_errors=True)
        self._lock.release()
        with contextlib.suppress(OSError):
            while self._made_parents:
                self._made_parents.pop().rmdir()

    def _concerns_us(self, error: OSError) -> bool:
        """Whether an error of the block is about writing the result rather than about something else."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return any(name.startswith((str(self.staging), str(self.path))) for name in names)


def _entries(folder: Path) -> dict[str, tuple[int, int]]:
    """Name -> (size, time of change) of all that lies in a folder, bar what desktops put there."""
    status = {entry.name: entry.stat(follow_symlinks=False) for entry in os.scandir(folder)}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in status.items() if name not in _DESKTOP_FILES}


def _is_missing_or_empty(folder: Path) -> bool:
    return not folder.exists() or not _entries(folder)


def _literal(name: str) -> str:
    """``name`` for :meth:`Path.glob`, its special characters taken literally."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _rename(source: Path, target: Path) -> None:
    """Rename; on Windows, where a virus scanner may hold a fresh file for a moment, try again for a second."""
    for attempt in range(_RENAME_TRIES):
        try:
            source.rename(target)
            return
        except PermissionError:
            if os.name != "nt" or attempt == _RENAME_TRIES - 1:
                raise
            time.sleep(0.2)


def _output_error(folder: Path, error: OSError) -> OutputError:
    """The one sentence for an error of the operating system while writing into ``folder``."""
    reason = _REASONS.get(error.errno or 0, (error.strerror or str(error)).lower())
    return OutputError(
        f"The result cannot be written to {folder}: {reason}.",
        "Free some room, or name a folder that you may write to.",
    )
