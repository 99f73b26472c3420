"""What Slicer's classes have, as the name checker's manifest lists it."""

import json
import os
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


def checker_path() -> Path:
    """The name checker (``SLICER_API_CHECK``, default ``../shared/slicer-api/check.py``); it may not be there."""
    default = REPOSITORY.parent / "shared" / "slicer-api" / "check.py"
    return Path(os.environ.get("SLICER_API_CHECK") or default)


def read_classes() -> dict[str, Any]:
    """Class name -> what the manifest says of it.

    Raises:
        OSError: there is no manifest beside the checker.
    """
    return json.loads((checker_path().parent / "manifest.json").read_text("utf-8"))["classes"]


def members(classes: dict[str, Any], name: str) -> set[str]:
    """Every attribute that Python code sees on a class, bases included."""
    found: set[str] = set()
    while name in classes:
        one = classes[name]
        found |= {*one.get("prop", {}), *one.get("meth", {}), *one.get("static", []), *one.get("enum", {})}
        found |= {signature.partition("(")[0] for signature in (*one.get("sig", []), *one.get("slot", []))}
        name = one.get("base", "")
    return found


def signals(classes: dict[str, Any], name: str) -> set[str]:
    """Signatures of every signal of a class, bases included."""
    found: set[str] = set()
    while name in classes:
        found |= set(classes[name].get("sig", []))
        name = classes[name].get("base", "")
    return found
