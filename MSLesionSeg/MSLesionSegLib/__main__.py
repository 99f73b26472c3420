"""``python -m MSLesionSegLib``: the engine's own commands."""

import sys

from .cli import build_app
from .cli_runner import run

if __name__ == "__main__":
    sys.exit(run(build_app()))
