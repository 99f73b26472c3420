"""Which cases a run trains on and which it does not, by the hashes of their images. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DATA_FILE = "data.json"


@dataclass(frozen=True)
class RunCases:
    """Case -> SHA-256 of its FLAIR's voxels.

    Attributes:
        train, validation, test: cases of these parts.
        start: hashes that the starting model knew already.
    """

    train: Mapping[str, str]
    validation: Mapping[str, str]
    test: Mapping[str, str]
    start: frozenset[str]

    @property
    def trained_on(self) -> frozenset[str]:
        """All hashes that the result of the run was trained on, also before the run."""
        return self.start | frozenset(self.train.values())

    @property
    def known(self) -> tuple[str, ...]:
        """Cases of validation and test that were trained on all the same; empty in an honest run."""
        others = {**self.validation, **self.test}
        return tuple(sorted(case for case, sha256 in others.items() if sha256 in self.trained_on))


def read_run_cases(run: Path) -> RunCases | None:
    """The cases of a run; None while it has not prepared them, or where its ``data.json`` cannot be read."""
    try:
        values = json.loads((run / DATA_FILE).read_text(encoding="utf-8"))
        parts: dict[str, dict[str, str]] = {"train": {}, "validation": {}, "test": {}}
        for record in values["cases"]:
            parts[record["part"]][record["case"]] = record["flair_sha256"]
        return RunCases(**parts, start=frozenset(values["init_case_hashes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
