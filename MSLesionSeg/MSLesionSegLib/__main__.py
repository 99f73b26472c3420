"""``python -m MSLesionSegLib``: the engine's own commands."""

from .cli import build_app
from .cli_runner import leave, run

if __name__ == "__main__":
    leave(run(build_app()))
