"""Every mistake with a study, a model or a place: one exact sentence, its exit code, and nothing written."""

from pathlib import Path

import pytest
from Testing.engine.call_mistakes import CALL_MISTAKES
from Testing.engine.study_mistakes import STUDY_MISTAKES

from MSLesionSegLib.cli import build_app
from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.model_store import default_model

MISTAKES = [*STUDY_MISTAKES, *CALL_MISTAKES]


def everything(folder: Path) -> dict[str, bytes | None]:
    """Each path below a folder, with the bytes of a file."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_gets_one_sentence_its_exit_code_and_changes_nothing(mistake, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    folder = tmp_path / "study"
    folder.mkdir()
    words = ["segment", *mistake.make(folder)]
    words += [] if "--out" in words else ["--out", str(tmp_path / "result")]
    before = everything(tmp_path)
    capfd.readouterr()
    code = run(build_app(), [*words, "--progress", "none"])
    stdout, stderr = capfd.readouterr()
    said = stderr.replace(str(folder), "FOLDER").replace(str(default_model("brain")), "BRAIN_MODEL").splitlines()
    assert said[0] == f"Error: {mistake.sentence}"
    assert len(said) <= 2 and said[-1].startswith(mistake.hint)
    assert (code, stdout) == (mistake.code, "")
    assert everything(tmp_path) == before


def test_the_table_is_long_and_names_the_file_in_every_sentence_about_one():
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 60
    nameless = [m.name for m in MISTAKES if m.code in (3, 5) and "FOLDER" not in m.sentence]
    assert nameless == []
