"""The record of a command that makes something of finished results, as ``report`` and ``evaluate`` do."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from . import __version__
from .errors import OutputError
from .provenance import (
    FORMAT_VERSION,
    PROVENANCE_FILE,
    TOOL,
    close_run,
    file_sha256,
    software_versions,
    write_provenance,
)
from .results import ResultFolder


def refuse_other_commands(result: ResultFolder, command: str) -> None:
    """Keep what another command left in the folder; what the same command left may be replaced.

    Raises:
        OutputError: the folder holds another command's result.
    """
    if result.earlier is not None and result.earlier.get("command") != command:
        raise OutputError(f"{result.path} holds another result.", "Name a new or an empty folder.")


def write_record(
    result: ResultFolder,
    command: str,
    started: datetime,
    *,
    settings: Mapping[str, Any],
    inputs: Mapping[str, Any],
    paths: Mapping[str, str],
    **more: Any,
) -> None:
    """Write the ``provenance.json`` by which the folder is known as a result of this program and may be replaced.

    Args:
        result: the open folder, in which every other file is complete.
        command: that made it.
        started: when, in UTC.
        settings: of the command.
        inputs: name -> SHA-256, or a mapping of such.
        paths: name -> where the input lay.
        more: other blocks of the record.
    """
    record = {
        "tool": TOOL,
        "tool_version": __version__,
        "format_version": FORMAT_VERSION,
        "command": command,
        "settings": dict(settings),
        "inputs": dict(inputs),
        "software": software_versions(),
        "outputs": {path.name: file_sha256(path) for path in sorted(result.staging.iterdir())},
        "run": {
            "started_utc": started.astimezone(UTC).isoformat(timespec="seconds"),
            "inputs": dict(paths),
            "python": sys.executable,
        },
        **more,
    }
    close_run(record, result.path)
    write_provenance(result.file(PROVENANCE_FILE), record)
