"""Fixtures shared by all suites, and the rule that nothing is skipped unseen."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real studies (``MSLESIONSEG_DATA``, default ``../shared/data``); skips visibly where absent."""
    folder = Path(os.environ.get("MSLESIONSEG_DATA", REPOSITORY / ".." / "shared" / "data")).resolve()
    if not (folder / "cross-sectional").is_dir():
        pytest.skip(f"no real studies in {folder}; set MSLESIONSEG_DATA")
    return folder


@pytest.fixture(scope="session")
def phantom_study(tmp_path_factory) -> Path:
    """Folder of the synthetic study, made once; to be read only."""
    from MSLesionSegLib.phantom import make_phantom

    folder = tmp_path_factory.mktemp("phantom") / "study"
    make_phantom(folder)
    return folder


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where ``MSLESIONSEG_NO_SKIP`` is set (continuous integration), a skip fails, except of tests marked ``cuda``."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("MSLESIONSEG_NO_SKIP") and "cuda" not in item.keywords:
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
