"""The files of a model bundle on disk: which may be there, their sums, and safe unpacking of a zip.

Needs only the standard library. The sums catch damage (a broken download, a half copy), not malice: whoever can change
a file can change its sum as well. What keeps a hostile bundle harmless is that nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path

from .errors import ModelError, ResourceError

DESCRIPTION = "model.json"
WEIGHTS = "weights.safetensors"
CARD = "MODEL_CARD.md"
ONNX = "network.onnx"
SUMS = "SHA256SUMS"
REQUIRED = (DESCRIPTION, WEIGHTS, CARD)
ALLOWED = (*REQUIRED, ONNX)

#: No bundle is larger than this, packed or unpacked.
MAX_BUNDLE_BYTES = 2_000_000_000
MAX_SUMS_BYTES = 10_000
MAX_ZIP_MEMBERS = 64
#: Files that file managers leave behind; neither listed nor looked at.
LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")
PICKLED = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib", ".npy", ".npz")

FETCH_AGAIN = "Fetch or export the model again."

_SUM_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sums_text(folder: Path) -> str:
    """The text of ``SHA256SUMS`` for the files of a bundle folder, sorted by name, as ``sha256sum`` writes it."""
    names = sorted(name for name in ALLOWED if (folder / name).is_file())
    return "".join(f"{file_sha256(folder / name)}  {name}\n" for name in names)


def file_problems(folder: Path) -> list[str]:
    """What is wrong with the files of a bundle folder: missing, unlisted, damaged, links, pickles.

    Args:
        folder: the bundle folder.

    Returns:
        One phrase a problem, without the folder's name and full stop; empty where every file equals its sum.
    """
    problems = []
    present = {}
    for entry in sorted(folder.iterdir()):
        if entry.name in LITTER:
            continue
        if entry.is_symlink():
            problems.append(f"{entry.name} is a link; a bundle holds plain files only")
        elif entry.suffix.lower() in PICKLED:
            problems.append(f"{entry.name} may hold pickled objects, which are never opened; weights are safetensors")
        elif not entry.is_file():
            problems.append(f"{entry.name} is not a plain file")
        elif entry.name != SUMS and entry.name not in ALLOWED:
            problems.append(f"{entry.name} does not belong into a bundle ({', '.join((*ALLOWED, SUMS))})")
        else:
            present[entry.name] = entry
    if problems:
        return problems
    if sum(entry.stat().st_size for entry in present.values()) > MAX_BUNDLE_BYTES:
        return [f"the files are larger than {MAX_BUNDLE_BYTES // 1_000_000} MB together"]
    problems = [f"{name} is missing" for name in (*REQUIRED, SUMS) if name not in present]
    if SUMS not in present:
        return problems
    listed = _read_sums(present[SUMS], problems)
    for name, entry in present.items():
        if name == SUMS:
            continue
        if name not in listed:
            problems.append(f"{name} is not listed in {SUMS}")
        elif file_sha256(entry) != listed[name]:
            problems.append(f"{name} is damaged: its SHA-256 is not the one in {SUMS}")
    if ONNX in listed and ONNX not in present:
        problems.append(f"{ONNX} is missing")
    return problems


def _read_sums(path: Path, problems: list[str]) -> dict[str, str]:
    """Name -> sum of the lines of ``SHA256SUMS``; lines that cannot be used are added to the problems."""
    if path.stat().st_size > MAX_SUMS_BYTES:
        problems.append(f"{SUMS} is too long")
        return {}
    listed: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), start=1):
        match = _SUM_LINE.fullmatch(line)
        if not match:
            problems.append(f"line {number} of {SUMS} is not a SHA-256 and a file name")
        elif (name := match[2]) in listed:
            problems.append(f"{SUMS} lists {name} twice")
        elif _leaves_folder(name):
            problems.append(f"{SUMS} points outside the bundle: {name}")
        elif name not in ALLOWED:
            problems.append(f"{SUMS} lists {name}, which does not belong into a bundle")
        else:
            listed[name] = match[1].lower()
    return listed


def _leaves_folder(name: str) -> bool:
    """Whether a relative name could lead out of its folder, on any system."""
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or ":" in name or "\0" in name


def unpack_zip(path: Path) -> tuple[Path, Path]:
    """Unpack a zipped bundle into a fresh temporary folder.

    The files may lie at the top of the zip or in one folder. Names that lead elsewhere, links, encrypted members,
    more than 64 members and more than 2 GB unpacked are refused before or while unpacking.

    Args:
        path: the zip file.

    Returns:
        The temporary folder, to be removed by the caller, and the bundle folder inside it.

    Raises:
        ModelError: not a zip, damaged, or unsafe.
        ResourceError: it cannot be unpacked for want of disk space.
    """
    temporary = Path(tempfile.mkdtemp(prefix="mslesionseg-bundle-"))
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked_members(path, archive)
            _extract(archive, members, temporary)
        return temporary, _bundle_root(temporary)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
    ) as error:  # the last: unknown method
        shutil.rmtree(temporary, ignore_errors=True)
        raise ModelError(f"The model {path} is not a readable zip file: {error}.", FETCH_AGAIN) from error
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise ResourceError(
            f"The model {path} cannot be unpacked into {temporary.parent}: {error.strerror or error}.",
            "Free some disk space, or unpack the zip yourself and name its folder.",
        ) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _checked_members(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = []
    for member in archive.infolist():
        name = member.filename
        if _leaves_folder(name) or _leaves_folder(member.orig_filename):
            raise ModelError(f"The model {path} is not safe to unpack: it holds the path {name!r}.", FETCH_AGAIN)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ModelError(f"The model {path} is not safe to unpack: {name} is a link.", FETCH_AGAIN)
        if member.is_dir() or name.startswith("__MACOSX/") or Path(name).name in LITTER:
            continue
        members.append(member)
    if len(members) > MAX_ZIP_MEMBERS:
        raise ModelError(f"The zip {path} holds {len(members)} files and is no model bundle.", "Name a model bundle.")
    if len({member.filename.lower() for member in members}) != len(members):
        raise ModelError(f"The model {path} holds one file twice.", FETCH_AGAIN)
    if sum(member.file_size for member in members) > MAX_BUNDLE_BYTES:
        raise ModelError(
            f"The model {path} is larger than {MAX_BUNDLE_BYTES // 1_000_000} MB unpacked.", "Name a model bundle."
        )
    return members


def _extract(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path) -> None:
    """Write the members; zipfile reads no more of each than its header says, and then compares the checksum."""
    for member in members:
        target = folder / member.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, open(target, "wb") as sink:
            shutil.copyfileobj(source, sink)


def _bundle_root(folder: Path) -> Path:
    """The folder itself, or its only entry where that is a folder."""
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder
