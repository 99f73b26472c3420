"""``python -m MSLesionSegTrainingLib``, the same as the console command ``mslesionseg``."""

import sys

from MSLesionSegLib.cli_runner import run

from .cli import build_app


def main() -> int:
    """Run the whole command line with the words of this process; returns the exit code."""
    return run(build_app())


if __name__ == "__main__":
    sys.exit(main())
