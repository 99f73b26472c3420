"""Who works on a case: a claim file that one person at a time can hold, with a sign of life.

A claim is made, renewed, given back and taken over under a lock of the operating system; whoever saves shows a token
that only the present holder has. The age of the last sign is taken from the clock of the file system that holds the
claim, so that two machines whose clocks differ agree.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from MSLesionSegLib.annotated_case import held, read_json, write_json
from MSLesionSegLib.errors import OutputError, UsageError
from MSLesionSegLib.folder_lock import FolderLock

CLAIM_FILE = "claim.json"
BEAT_S = 60.0
"""So often whoever holds a claim gives a sign of life."""
STALE_S = 600.0
"""A claim without a sign of life for so long may be taken over."""
LOCK_S = 30.0


class CaseTaken(OutputError):
    """Somebody else works on the case, or has taken it over."""


@dataclass(frozen=True)
class Claim:
    """A claim as others see it.

    Attributes:
        who: the annotator.
        host: name of the machine.
        since: UTC time of the claim, ISO 8601.
        silent_s: seconds since the last sign of life.
        taken_from: who held the case before, where it was taken over.
        word: why it was taken over.
    """

    who: str
    host: str
    since: str
    silent_s: float
    taken_from: str = ""
    word: str = ""

    @property
    def stale(self) -> bool:
        """Whether it may be taken over."""
        return self.silent_s > STALE_S

    @property
    def sentence(self) -> str:
        """Who, where and since when, for a person."""
        return f"{self.who} on {self.host} since {self.since}, last sign {self.silent_s:.0f} s ago"


@dataclass(frozen=True)
class HeldClaim:
    """A claim of this process.

    Attributes:
        folder: of the case in the work list.
        who: the annotator.
        token: by which the claim is known as this one.
    """

    folder: Path
    who: str
    token: str

    def beat(self) -> None:
        """Give a sign of life.

        Raises:
            CaseTaken: somebody took the case over.
        """
        with self.mine():
            os.utime(self.folder / CLAIM_FILE)

    def release(self) -> None:
        """Give the case back; nothing happens where it was taken over."""
        with contextlib.suppress(CaseTaken), self.mine():
            (self.folder / CLAIM_FILE).unlink()

    @contextlib.contextmanager
    def mine(self) -> Iterator[None]:
        """Within this block the case is surely held by this process, and nobody can take it over.

        Raises:
            CaseTaken: somebody took the case over.
        """
        with _locked(self.folder):
            values = read_json(self.folder / CLAIM_FILE)
            if values.get("token") != self.token:
                other = values.get("who")
                told = f"{other} has taken over {self.folder.name}" if other else f"{self.folder.name} was given back"
                raise CaseTaken(f"{told}; nothing was changed there.", "Take another case, or ask them.")
            yield


def take_case(folder: Path, who: str, *, take_over: str = "") -> HeldClaim:
    """Claim a case.

    Args:
        folder: of the case in the work list; made if missing.
        who: the annotator.
        take_over: a word on why a claim that gives no sign of life is taken over, or one's own of another window; it
            is kept with the claim. Empty takes nothing over.

    Raises:
        UsageError: no annotator.
        CaseTaken: somebody else holds it.
        OutputError: the folder cannot be written.
    """
    if not who.strip():
        raise UsageError("The annotator's name is missing.", "Enter who corrects the lesions.")
    who = who.strip()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            before = see_claim(folder)
            if before is not None:
                _check_free(folder.name, before, who, take_over)
            values = {
                "who": who,
                "host": socket.gethostname(),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
                "token": uuid.uuid4().hex,
                "taken_from": before.who if before else "",
                "word": take_over.strip() if before else "",
            }
            write_json(folder / CLAIM_FILE, values)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}).", "Check its permissions.") from error
    return HeldClaim(folder, who, values["token"])


def see_claim(folder: Path) -> Claim | None:
    """The claim on a case; None where nobody works on it."""
    path = folder / CLAIM_FILE
    values = read_json(path)
    if not values.get("who"):
        return None
    try:
        silent = _now(folder) - path.stat().st_mtime
    except OSError:
        return None
    shown = {name: str(values.get(name, "")) for name in ("who", "host", "since", "taken_from", "word")}
    return Claim(**shown, silent_s=max(0.0, silent))


def _check_free(case: str, claim: Claim, who: str, take_over: str) -> None:
    own = claim.who == who
    if take_over.strip() and (claim.stale or own):
        return
    if own:
        hint = "If that window is gone, take the case over with a word."
    elif claim.stale:
        hint = "It gives no sign of life; take the case over with a word, or choose another."
    else:
        hint = "Choose another case."
    raise CaseTaken(f"{case} is being corrected by {claim.sentence}.", hint)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with held(FolderLock(folder / ".lock"), folder, LOCK_S):
        yield


def _now(folder: Path) -> float:
    """Time by the clock of the file system that holds the folder, seconds; by this machine's where it is read-only."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".clock-") as probe:
            return os.stat(probe.name).st_mtime
    except OSError:
        return datetime.now(UTC).timestamp()
