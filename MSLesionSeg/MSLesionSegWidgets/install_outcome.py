"""How an installation ended, as one sentence, from what pip printed. Plain Python, no Qt."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

INSTALLED, RESTART, REFUSED, FAILED = "installed", "restart", "refused", "failed"
_CONSOLE = "The log tells more; please report it together with this sentence."
_WHEELS = "Check the connection and the proxy, or install from a folder of wheels."


@dataclass(frozen=True)
class Outcome:
    """The end of an installation.

    Attributes:
        kind: "installed", "restart" (Slicer has to be started again), "refused" (by the user) or "failed".
        message: one sentence.
        hint: what to do now, may be empty.
    """

    kind: str
    message: str
    hint: str = ""


#: What pip or the system says, as a regular expression, with the sentence and the hint for it; the first match counts.
_MEANINGS = (
    (
        r"No space left on device|Errno 28|WinError 112|not enough space on the disk",
        "The disk is full.",
        "Make room and press Install again.",
    ),
    (
        r"WinError 206|filename or extension is too long|LongPathsEnabled|File name too long",
        "A file of a package has too long a name for this folder.",
        "Install Slicer in a shorter folder such as C:\\Slicer, or switch on long paths in Windows.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|certificate verify failed",
        "The server's certificate was not accepted, as behind some hospital proxies.",
        "Ask your IT department for its certificate, or install from a folder of wheels.",
    ),
    (
        r"NewConnectionError|Failed to establish a new connection|name resolution|getaddrinfo failed|ProxyError"
        r"|ConnectTimeout|Read timed out|Max retries exceeded|Network is unreachable|ConnectionResetError",
        "The server of the Python packages cannot be reached.",
        _WHEELS,
    ),
    (
        r"WinError 5\b|WinError 32\b|Access is denied|Permission denied|Errno 13",
        "A file may not be replaced, because Slicer uses it or because you may not write there.",
        "Start Slicer again and press Install before anything else.",
    ),
    (
        r"ResolutionImpossible|conflicting dependencies|The conflict is caused by",
        "The packages do not fit with others that are installed in Slicer.",
        "Use a Slicer without other extensions, or choose a Python of its own in the settings.",
    ),
    (
        r"DLL load failed|WinError 126|cannot open shared object file|Library not loaded",
        "PyTorch was installed, but a library that it needs cannot be loaded.",
        "Start Slicer again; on Windows install Microsoft's Visual C++ Redistributable first.",
    ),
    (
        r"THESE PACKAGES DO NOT MATCH THE HASHES|BadZipFile|is not a zip file|Invalid wheel|incomplete-download",
        "A package was damaged on its way.",
        "Press Install again, or copy the wheels again.",
    ),
)


def pip_failure(log: Sequence[str], wheels: Path | None = None) -> Outcome:
    """What a failed run of pip means.

    Args:
        log: the lines it printed.
        wheels: the folder of wheels that it was to take, if any.
    """
    text = "\n".join(log)
    if match := re.search(r"No matching distribution found for ([^\s(]+)", text):
        if wheels is not None:
            return Outcome(
                FAILED,
                f"The folder {wheels} holds no wheel of {match.group(1)} for this Python and this system.",
                "Fetch it with 'pip download' on a computer with the same system and Python, and add it.",
            )
        if not re.search(_MEANINGS[3][0], text):
            return Outcome(FAILED, f"There is no {match.group(1)} for the Python of this Slicer.", _CONSOLE)
    for pattern, message, hint in _MEANINGS:
        if re.search(pattern, text):
            return Outcome(FAILED, message, hint)
    errors = [line.partition("ERROR:")[2].strip() for line in log if "ERROR:" in line]
    reason = f": {errors[-1].rstrip('.')}." if errors else "."
    return Outcome(FAILED, f"The Python packages could not be installed{reason}", _CONSOLE)
