"""``python -m Testing.benchmarks [NAME ...]``: measured times, one row a measurement, as a Markdown table.

Run it on an otherwise idle machine. Without a name every row is measured.
"""

import sys
from collections.abc import Callable

from .segment_phantom import segment_phantom

#: Name -> measurement, which gives (what was measured, seconds) pairs.
BENCHMARKS: dict[str, Callable[[], list[tuple[str, float]]]] = {"segment-phantom": segment_phantom}


def main(names: list[str]) -> int:
    """Measure and print; returns the exit code."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    print("| benchmark | what | seconds |\n| --- | --- | --- |")
    for name in names or BENCHMARKS:
        for what, seconds in BENCHMARKS[name]():
            print(f"| {name} | {what} | {seconds:.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
