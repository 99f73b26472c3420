"""The provenance record of a result: which model, settings, inputs and versions made it.

Everything but the ``run`` block is the same for two runs of the same input with the same versions on one machine. The
``run`` block alone holds times, paths and the interpreter.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from . import __version__
from .errors import OutputError

if TYPE_CHECKING:
    from .study import SeriesSource, Study

TOOL = "MSLesionSeg"
FORMAT_VERSION = 1
PROVENANCE_FILE = "provenance.json"
_LIBRARIES = ("numpy", "scipy", "SimpleITK", "torch", "openvino")
_BLOCK = 1 << 20


def build_provenance(
    study: "Study",
    *,
    models: Mapping[str, Mapping[str, str]],
    settings: Mapping[str, Any],
    device: str,
    runtime: str,
    notes: Sequence[str] = (),
    quality: Sequence[Mapping[str, str]] = (),
    brain_mask: "SeriesSource | None" = None,
    started: datetime | None = None,
) -> dict[str, Any]:
    """Collect what is known before the lesions are measured; :func:`~.finish.finish` adds the rest.

    Args:
        study: the series as read; their paths go into the ``run`` block only.
        models: role ("lesion", "brain") -> name, version, sha256 of the bundle; a role without a model is left out.
        settings: plain values without paths; ``threshold`` and ``min_lesion_mm3`` are required.
        device: what the network ran on, such as "cpu".
        runtime: what ran it, "torch" or "openvino".
        notes: sentences for the reader, such as which registration was skipped.
        quality: warnings about the images, as dicts of ``QualityWarning``.
        brain_mask: source of the mask that the user gave, if any.
        started: begin of the run, UTC; now where not given.

    Returns:
        A dict for :func:`write_provenance`.
    """
    inputs = {name: describe_input(study.image(name), study.sources[name].sha256) for name in study.contrasts}
    paths = {name: str(study.sources[name].path) for name in study.contrasts}
    if brain_mask is not None:
        inputs["brain_mask"] = {"sha256": brain_mask.sha256}
        paths["brain_mask"] = str(brain_mask.path)
    return {
        "tool": TOOL,
        "tool_version": __version__,
        "format_version": FORMAT_VERSION,
        "models": {role: dict(model) for role, model in models.items()},
        "settings": dict(settings),
        "contrasts": list(study.contrasts),
        "inputs": inputs,
        "software": software_versions(),
        "device": device,
        "runtime": runtime,
        "notes": list(notes),
        "quality": [dict(warning) for warning in quality],
        "history": [_step("segment", settings)],
        "run": {
            "started_utc": _utc_text(started or datetime.now(UTC)),
            "inputs": paths,
            "python": sys.executable,
        },
    }


def describe_input(image: sitk.Image, sha256: str) -> dict[str, Any]:
    """SHA-256 of an input, its size in voxels and its spacing in mm, both (x, y, z)."""
    return {
        "sha256": sha256,
        "size_xyz": list(image.GetSize()),
        "spacing_xyz_mm": [round(step, 6) for step in image.GetSpacing()],
    }


def software_versions() -> dict[str, str]:
    """Versions of Python, the system and the libraries that are loaded (torch only where it is)."""
    versions = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    loaded = {name: sys.modules[name] for name in _LIBRARIES if name in sys.modules}
    return versions | {name: str(getattr(module, "__version__", "unknown")) for name, module in loaded.items()}


def rethresholded(provenance: Mapping[str, Any], threshold: float, min_mm3: float, started: datetime) -> dict[str, Any]:
    """The record of the same result with another threshold and minimum size; the history gains a step."""
    settings = {**provenance["settings"], "threshold": threshold, "min_lesion_mm3": min_mm3}
    run = {**provenance["run"], "started_utc": _utc_text(started), "python": sys.executable}
    history = [*provenance["history"], _step("rethreshold", settings)]
    return {**provenance, "settings": settings, "history": history, "run": run}


def small_rule(provenance: Mapping[str, Any]) -> tuple[float, float] | None:
    """Volume in mm3 below which a lesion needs more probability to be listed, and that probability.

    None where all lesions are listed alike: the result has no such rule, or its threshold lies below the model's.
    """
    held = provenance.get("held_back")
    if held is None or provenance["settings"]["threshold"] < held["threshold"]:
        return None
    return held["below_mm3"], held["below_probability"]


def close_run(provenance: dict[str, Any], output: Path) -> None:
    """Enter where the result lies and how long the run took, in place."""
    started = datetime.fromisoformat(provenance["run"]["started_utc"])
    provenance["run"]["output"] = str(output)
    provenance["run"]["duration_s"] = round((datetime.now(UTC) - started).total_seconds(), 1)


def write_provenance(path: Path, provenance: Mapping[str, Any]) -> None:
    """Write the record as JSON: sorted keys, indented by 2, UTF-8, ``\\n`` line ends."""
    text = json.dumps(provenance, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_bytes((text + "\n").encode("utf-8"))


def read_provenance(folder: Path) -> dict[str, Any] | None:
    """The record of the result in ``folder``; None where it holds no result of this program.

    Raises:
        OutputError: the result was written by a newer version of the program.
    """
    try:
        provenance = json.loads((folder / PROVENANCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(provenance, dict) or provenance.get("tool") != TOOL:
        return None
    if not all(isinstance(provenance.get(block), dict) for block in ("settings", "outputs", "run")):
        return None
    if provenance.get("format_version") != FORMAT_VERSION:
        raise OutputError(
            f"The result in {folder} was written by another version of {TOOL}.",
            "Use that version, or name another folder.",
        )
    return provenance


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _step(command: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "command": command,
        "tool_version": __version__,
        "threshold": settings["threshold"],
        "min_lesion_mm3": settings["min_lesion_mm3"],
    }


def _utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
