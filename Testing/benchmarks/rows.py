"""A row of ``results.json``: what was measured, beside which peer, on what, where and when."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        name: of the benchmark that gave it.
        what: measured, in words.
        ours: value of the shipped bundle at default settings.
        peer: value of the peer in the same run; None where the row has no peer.
        better: "lower" or "higher" values are better.
        unit: of both.
        data: what it was measured on.
        details: other figures of the same run.
    """

    name: str
    what: str
    ours: float
    unit: str
    data: str
    peer: float | None = None
    better: str = "lower"
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The row with ``ratio`` (how many times better than the peer), machine and date."""
        ratio = None
        if self.peer is not None:
            ratio = round(self.peer / self.ours if self.better == "lower" else self.ours / self.peer, 2)
        return {**asdict(self), "ratio": ratio, "machine": machine(), "date": datetime.now(UTC).date().isoformat()}


def machine() -> str:
    """Processor and number of cores, and the GPU where PyTorch finds one."""
    import torch

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{model}, {os.cpu_count()} cores{gpu}"


def store(rows: list[Row]) -> None:
    """Put rows into ``results.json``, in place of earlier ones of the same benchmarks."""
    earlier = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else []
    names = {row.name for row in rows}
    kept = [row for row in earlier if row["name"] not in names]
    fresh = sorted([*kept, *(row.as_json() for row in rows)], key=lambda row: (row["name"], row["what"]))
    partial = RESULTS.with_suffix(".partial")
    partial.write_text(json.dumps(fresh, indent=1, ensure_ascii=False) + "\n", "utf-8")
    os.replace(partial, RESULTS)
