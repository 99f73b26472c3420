"""``python -m MSLesionSegTrainingLib``, the same as the console command ``mslesionseg``."""

from MSLesionSegLib.cli_runner import leave, run

from .cli import build_app


def main() -> None:
    """Run the whole command line with the words of this process, and end it with the exit code."""
    leave(run(build_app()))


if __name__ == "__main__":
    main()
