"""``python -m Testing.benchmarks [NAME ...]``: measure, print a table, and keep the rows in ``results.json``.

Run it on an otherwise idle machine. Without a name every row but ``inference_gpu`` is measured.
"""

import sys
from collections.abc import Callable

from .batch import batch
from .command import segment_large, segment_phantom, segment_raw
from .inference import inference_cpu, inference_gpu
from .review import review
from .rows import Row, store
from .sampling import patches_per_second, sampler_draw

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    function.__name__: function
    for function in (
        inference_cpu,
        segment_raw,
        segment_phantom,
        segment_large,
        sampler_draw,
        patches_per_second,
        review,
        batch,
        inference_gpu,
    )
}


def main(names: list[str]) -> int:
    """Measure, print and store; returns the exit code."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    print("| benchmark | what | ours | peer | ratio | details |\n| --- | --- | --- | --- | --- | --- |")
    for name in names or [name for name in BENCHMARKS if name != "inference_gpu"]:
        rows = BENCHMARKS[name]()
        for row in rows:
            value = row.as_json()
            peer = "" if row.peer is None else f"{row.peer} {row.unit}"
            cells = (name, row.what, f"{row.ours} {row.unit}", peer, value["ratio"] or "", row.details)
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
        store(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
