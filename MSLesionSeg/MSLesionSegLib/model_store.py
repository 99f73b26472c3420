"""Which models there are: those that ship with the program and those that the user added.

Needs only the standard library (Slicer's own process lists models before anything is installed); ``bundle`` is imported
when a model is added. Each folder in the shipped folder and in the user's folder is one model bundle. The user's folder
is ``MSLESIONSEG_MODELS`` or lies among the user's data; where there is none, the shipped models still work.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from .errors import DependencyError, ModelError, OutputError

VARIABLE = "MSLESIONSEG_MODELS"
KINDS = ("lesion", "brain")
MAX_DESCRIPTION_BYTES = 4_000_000

_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class ModelEntry:
    """One model in the list.

    Attributes:
        name: name of the model; of a damaged one, of its folder.
        version: version, empty where damaged.
        kind: "lesion" or "brain", empty where damaged.
        path: the bundle folder.
        shipped: whether it came with the program.
        problem: why it cannot be used; empty where nothing is known to be wrong.
    """

    name: str
    version: str
    kind: str
    path: Path
    shipped: bool
    problem: str = ""

    @property
    def full_name(self) -> str:
        """``<name>-<version>``, which is unique."""
        return f"{self.name}-{self.version}" if self.version else self.name


def shipped_folder() -> Path:
    """Folder of the shipped models: inside the package (wheel), else beside it (clone, Slicer)."""
    library = Path(__file__).resolve().parent
    inside, beside = library / "Resources" / "Models", library.parent / "Resources" / "Models"
    return inside if inside.is_dir() else beside


def platform_data_folder(platform: str, environment: Mapping[str, str], home: str | None) -> str | None:
    """Where programs keep a user's data on a system.

    Args:
        platform: as ``sys.platform`` names it.
        environment: the environment variables.
        home: the home folder, None where there is none.

    Returns:
        %LOCALAPPDATA% on Windows, ~/Library/Application Support on macOS, elsewhere XDG_DATA_HOME (XDG Base Directory
        Specification: ignored unless absolute) or ~/.local/share; None where it cannot be known.
    """
    if platform == "win32":
        local = environment.get("LOCALAPPDATA")
        return local or (str(PureWindowsPath(home, "AppData", "Local")) if home else None)
    if platform == "darwin":
        return str(PurePosixPath(home, "Library", "Application Support")) if home else None
    xdg = environment.get("XDG_DATA_HOME", "")
    if PurePosixPath(xdg).is_absolute():
        return xdg
    return str(PurePosixPath(home, ".local", "share")) if home else None


def user_folder() -> Path | None:
    """Folder of the added models, which may not exist yet; None where the user has no home folder."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).absolute()
    try:
        home = str(Path.home())
    except RuntimeError:
        home = None
    data = platform_data_folder(sys.platform, os.environ, home)
    return Path(data, "mslesionseg", "models") if data else None


def list_models(kind: str | None = None) -> list[ModelEntry]:
    """All models, shipped ones first, then by name and version, oldest version first.

    Only ``model.json`` is looked at; a model that cannot be read is listed with its ``problem``.

    Args:
        kind: "lesion" or "brain"; None lists all, among them damaged ones whose kind is unknown.
    """
    entries = _entries(shipped_folder(), shipped=True) + _entries(user_folder(), shipped=False)
    return [entry for entry in entries if kind is None or entry.kind == kind]


def default_model(kind: str = "lesion") -> Path:
    """The newest shipped model of a kind.

    Raises:
        ModelError: none of that kind came with the program.
    """
    shipped = [entry for entry in list_models(kind) if entry.shipped and not entry.problem]
    if not shipped:
        raise ModelError(
            f"No {kind} model came with this installation (looked in {shipped_folder()}).",
            "Install MSLesionSeg again, or name a model bundle.",
        )
    return max(shipped, key=lambda entry: _version_key(entry.version)).path


def find_model(name_or_path: str | Path, kind: str = "lesion") -> Path:
    """Find a model by ``name-version``, by ``name`` (its newest version), or by the path of a folder or zip.

    A name in the list goes before a file of that name in the current folder (write ``./name`` for that one).

    Raises:
        ModelError: there is no such model, it is damaged, or it is of another kind.
    """
    asked = str(name_or_path)
    entries = list_models()
    found = [entry for entry in entries if entry.full_name == asked] or [
        entry for entry in entries if entry.name == asked and entry.kind in (kind, "")
    ]
    usable = [entry for entry in found if not entry.problem]
    if usable:
        newest = max(usable, key=lambda entry: (_version_key(entry.version), not entry.shipped))
        if newest.kind != kind:
            raise ModelError(
                f"The model {asked} is a {newest.kind} model; a {kind} model is needed.", _known(list_models(kind))
            )
        return newest.path
    if found:
        raise ModelError(f"The model {asked} cannot be used: {found[0].problem}.", "Remove it and add it again.")
    path = Path(name_or_path).expanduser() if asked.startswith("~") else Path(name_or_path)
    if asked and path.exists():
        return path
    raise ModelError(f"There is no {kind} model {asked!r}.", _known(list_models(kind)))


def add_model(path: str | Path) -> ModelEntry:
    """Verify a bundle and copy it into the user's folder as ``<name>-<version>``, whole or not at all.

    Args:
        path: bundle folder or zip.

    Raises:
        ModelError: the bundle is damaged, or a model of that name and version is there already.
        OutputError: there is no user folder, or it cannot be written.
        DependencyError: the packages that check a bundle are not installed.
    """
    try:
        from .bundle import load_bundle
        from .bundle_files import ALLOWED, SUMS
    except ImportError as error:
        raise DependencyError(
            f"A model cannot be checked: {error.name} is not installed.", "Install the dependencies, then try again."
        ) from error
    bundle = load_bundle(path)
    bundle.load_network()
    full_name = f"{bundle.model.name}-{bundle.model.version}"
    folder = user_folder()
    if folder is None:
        raise OutputError(
            "There is no folder for added models: no home folder is known.", f"Set {VARIABLE} to a folder."
        )
    if any(entry.full_name.lower() == full_name.lower() for entry in list_models()) or (folder / full_name).exists():
        raise ModelError(
            f"A model {full_name} is there already.", "Remove it first, or give the new one another name or version."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".adding-", dir=folder))
    except OSError as error:
        raise _not_writable(folder, error) from error
    try:
        fresh = beside / full_name
        fresh.mkdir()
        for name in (*ALLOWED, SUMS):
            if (bundle.folder / name).is_file():
                shutil.copyfile(bundle.folder / name, fresh / name)
        load_bundle(fresh)
        fresh.rename(folder / full_name)
    except OSError as error:
        raise _not_writable(folder, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return ModelEntry(bundle.model.name, bundle.model.version, bundle.model.kind, folder / full_name, shipped=False)


def remove_model(name: str) -> ModelEntry:
    """Remove an added model, named ``name-version``, or ``name`` where it has one version only.

    Returns:
        What was removed.

    Raises:
        ModelError: no such model, several versions, or one that came with the program.
        OutputError: it cannot be deleted.
    """
    entries = list_models()
    found = [entry for entry in entries if name in (entry.full_name, entry.path.name)] or [
        entry for entry in entries if entry.name == name
    ]
    added = [entry for entry in found if not entry.shipped]
    if not found:
        raise ModelError(f"There is no model {name!r}.", _known(entries))
    if not added:
        raise ModelError(
            f"The model {name} came with the program and is not removed.", "Only added models are removed."
        )
    if len(added) > 1:
        versions = ", ".join(entry.full_name for entry in added)
        raise ModelError(f"There are several versions of {name}: {versions}.", "Name one of them.")
    entry = added[0]
    try:
        # Out of the list at once, whatever happens while the files are deleted. Of a link only the link goes.
        doomed = Path(tempfile.mkdtemp(prefix=".removing-", dir=entry.path.parent))
        entry.path.rename(doomed / entry.path.name)
        shutil.rmtree(doomed, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"The model {name} cannot be removed from {entry.path.parent}: {error.strerror or error}.",
            "Close programs that use it, or check the permissions of that folder.",
        ) from error
    return entry


def _entries(folder: Path | None, *, shipped: bool) -> list[ModelEntry]:
    if folder is None:
        return []
    try:
        places = [place for place in folder.iterdir() if not place.name.startswith(".") and place.is_dir()]
    except OSError:
        return []
    return sorted(
        (_read_entry(place, shipped) for place in places), key=lambda e: (e.name, _version_key(e.version), e.path.name)
    )


def _read_entry(place: Path, shipped: bool) -> ModelEntry:
    """The entry of a bundle folder; whatever is wrong with it becomes its ``problem``."""
    name, version, kind, problem = place.name, "", "", ""
    path = place / "model.json"
    try:
        if path.stat().st_size > MAX_DESCRIPTION_BYTES:
            raise ValueError("too long")
        content = json.loads(path.read_text("utf-8"))
        values = [content[key] for key in ("name", "version", "kind")]
        if not all(isinstance(value, str) and _NAME.fullmatch(value) for value in values) or values[2] not in KINDS:
            raise ValueError("its name, version or kind is not valid")
        name, version, kind = values
    except FileNotFoundError:
        problem = "its model.json is missing"
    except OSError as error:
        problem = f"its model.json cannot be read ({error.strerror or error})"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        problem = f"its model.json is damaged ({error})"
    return ModelEntry(name, version, kind, place, shipped, problem)


def _version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Order of versions: runs of digits as numbers, so that 1.10 follows 1.9."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts)


def _known(entries: list[ModelEntry]) -> str:
    names = ", ".join(entry.full_name for entry in entries if not entry.problem)
    return f"Known models: {names}." if names else "No model is known."


def _not_writable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"The folder of added models, {folder}, cannot be written: {error.strerror or error}.",
        f"Set {VARIABLE} to a folder that can be written.",
    )
