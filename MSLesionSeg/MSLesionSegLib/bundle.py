"""The model bundle: save, load and verify a network with all that is needed to use it.

A bundle is a folder, or a zip of it, with ``model.json`` (see ``bundle_schema``), ``weights.safetensors``,
``MODEL_CARD.md``, ``SHA256SUMS`` and sometimes ``network.onnx``; nothing else. Loading verifies the sums, which catch
damage, not malice. Nothing is unpickled or executed: weights are safetensors, and the description names one of a
fixed list of architectures with plain arguments.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from .bundle_files import (
    CARD,
    DESCRIPTION,
    FETCH_AGAIN,
    ONNX,
    SUMS,
    WEIGHTS,
    file_problems,
    file_sha256,
    sums_text,
    unpack_zip,
)
from .bundle_schema import FORMAT_VERSION, ModelDescription, explain
from .errors import DependencyError, ModelError, OutputError

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_DESCRIPTION_BYTES = 4_000_000


class Bundle:
    """A verified model bundle.

    Attributes:
        path: the folder or zip that was named.
        folder: where the files lie (a temporary folder for a zip, removed with this object).
        model: the content of ``model.json``.
        sha256: SHA-256 of the bytes of ``SHA256SUMS``, which stands for the whole bundle.
    """

    def __init__(self, path: Path, folder: Path, model: ModelDescription, temporary: Path | None = None) -> None:
        self.path = path
        self.folder = folder
        self.model = model
        self.sha256 = file_sha256(folder / SUMS)
        if temporary is not None:
            weakref.finalize(self, shutil.rmtree, temporary, True)

    def load_network(self) -> nn.Module:
        """Build the network and load the weights.

        Returns:
            The network on the CPU, in evaluation mode, parameters without gradients. The caller's random state is kept.

        Raises:
            ModelError: the arguments fit no network, or the weights do not fit it exactly, or are not finite.
            DependencyError: PyTorch is not installed.
        """
        try:
            import torch
            from safetensors.torch import load_file
        except ImportError as error:
            raise DependencyError(
                f"PyTorch or safetensors is not installed ({error.name}).", "Install PyTorch, then try again."
            ) from error
        from .networks import build_network

        architecture = self.model.model_dump(mode="json")["architecture"]
        try:
            # First without memory: a damaged width must not fill the machine before the shapes are compared.
            with torch.random.fork_rng(devices=[]), torch.device("meta"):
                network = build_network(architecture)
        except (ModelError, TypeError, ValueError, KeyError, IndexError, RuntimeError) as error:
            reason = str(error).rstrip(".")
            raise ModelError(
                f"{DESCRIPTION} of the model {self.path} does not describe a network that can be built: {reason}.",
                getattr(error, "hint", "") or FETCH_AGAIN,
            ) from error
        self._compare({name: tuple(value.shape) for name, value in network.state_dict().items()})
        weights = load_file(self.folder / WEIGHTS, device="cpu")
        for name, value in weights.items():
            if not torch.isfinite(value).all():
                raise ModelError(f"The weights of the model {self.path} are not finite in {name}.", FETCH_AGAIN)
        wide = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
        network.load_state_dict(wide, strict=True, assign=True)
        return network.eval().requires_grad_(False)

    def _compare(self, expected: dict[str, tuple[int, ...]]) -> None:
        found = _weight_shapes(self.folder / WEIGHTS)
        faults = [f"{name} is missing" for name in expected if name not in found]
        faults += [f"{name} is unexpected" for name in found if name not in expected]
        faults += [
            f"{name} has shape {list(found[name])} instead of {list(shape)}"
            for name, shape in expected.items()
            if name in found and found[name] != shape
        ]
        if faults:
            more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
            raise ModelError(
                f"The weights of the model {self.path} do not fit its architecture: {', '.join(faults[:3])}{more}.",
                FETCH_AGAIN,
            )


def load_bundle(path: str | Path, kind: str | None = None) -> Bundle:
    """Open a bundle and verify it: files, sums, description, format of the weights.

    The sums catch damage, not malice. The network itself is built by ``Bundle.load_network``.

    Args:
        path: bundle folder or zip.
        kind: "lesion" or "brain"; None takes any.

    Returns:
        The verified bundle.

    Raises:
        ModelError: the path holds no bundle, or a damaged, unsafe, newer one or one of another kind.
    """
    path = Path(path)
    folder, temporary = _open(path)
    try:
        problems = _problems(folder)
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise ModelError(f"The model {path} cannot be used: {problems[0]}{more}.", FETCH_AGAIN)
        model = _read_description(path, folder / DESCRIPTION)
        _weight_shapes(folder / WEIGHTS, path)
        if kind is not None and model.kind != kind:
            raise ModelError(
                f"The model {path} is a {model.kind} model; a {kind} model is needed.", "Name another model."
            )
        return Bundle(path, folder, model, temporary)
    except OSError as error:
        _discard(temporary)
        raise ModelError(
            f"The model {path} cannot be read: {error.strerror or error}.", "Check the permissions of its files."
        ) from error
    except BaseException:
        _discard(temporary)
        raise


def verify_bundle(path: str | Path) -> list[str]:
    """Everything that is wrong with a bundle, including weights that do not fit the architecture.

    Args:
        path: bundle folder or zip.

    Returns:
        One sentence a problem; empty where the bundle is fine.

    Raises:
        DependencyError: PyTorch is not installed.
    """
    path = Path(path)
    try:
        folder, temporary = _open(path)
    except ModelError as error:
        return [error.message]
    try:
        problems = _problems(folder)
    except OSError as error:
        problems = [f"The model {path} cannot be read: {error.strerror or error}"]
    finally:
        _discard(temporary)
    if problems:
        return [f"{problem}." for problem in problems]
    try:
        load_bundle(path).load_network()
    except ModelError as error:
        return [error.message]
    return []


def save_bundle(
    folder: str | Path,
    model: ModelDescription,
    state_dict: Mapping[str, Tensor],
    card: str,
    *,
    onnx: bytes | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a bundle folder, whole or not at all; the same arguments give the same bytes.

    Args:
        folder: where the bundle is to lie; its parent is made.
        model: the description.
        state_dict: the network's weights, as ``network.state_dict()`` gives them.
        card: text of ``MODEL_CARD.md``, Markdown.
        onnx: content of ``network.onnx``, the same network; None leaves it out.
        overwrite: replace an earlier bundle in this place.

    Returns:
        The folder.

    Raises:
        OutputError: something is there already, or the folder cannot be written.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    if os.path.lexists(folder):
        if not overwrite:
            raise OutputError(f"{folder} is there already.", "Name another folder, or allow it to be overwritten.")
        if folder.is_symlink() or not (folder / DESCRIPTION).is_file():
            raise OutputError(f"{folder} is not a model bundle and is left as it is.", "Name another folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.", "Name another folder.") from error
    try:
        fresh = beside / "new"
        fresh.mkdir()
        _write_text(fresh / DESCRIPTION, description_text(model))
        _write_text(fresh / CARD, card)
        tensors = {name: value.detach().cpu().clone().contiguous() for name, value in state_dict.items()}
        save_file(tensors, fresh / WEIGHTS)
        if onnx is not None:
            (fresh / ONNX).write_bytes(onnx)
        (fresh / WEIGHTS).chmod((fresh / CARD).stat().st_mode)
        _write_text(fresh / SUMS, sums_text(fresh))
        _swap(fresh, folder, beside / "old")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.", "Name another folder.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def description_text(model: ModelDescription) -> str:
    """The text of ``model.json``: sorted keys, two spaces, one line end at the end."""
    return (
        json.dumps(model.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"
    )


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", newline="\n")


def _swap(fresh: Path, folder: Path, aside: Path) -> None:
    """Put the fresh folder in its place; an earlier one goes aside first, and comes back should the rename fail."""
    if folder.exists():
        folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        if aside.exists():
            aside.rename(folder)
        raise


def _open(path: Path) -> tuple[Path, Path | None]:
    """The folder that holds the files, and the temporary folder to remove, if any."""
    if path.is_dir():
        return path, None
    if not path.exists():
        raise ModelError(f"There is no model at {path}.", "Name a bundle folder, a zip of one, or a model in the list.")
    if path.suffix.lower() != ".zip":
        raise ModelError(
            f"{path} is neither a bundle folder nor a zip of one.", "Name a bundle folder or a zip of one."
        )
    temporary, folder = unpack_zip(path)
    return folder, temporary


def _discard(temporary: Path | None) -> None:
    if temporary is not None:
        shutil.rmtree(temporary, ignore_errors=True)


def _problems(folder: Path) -> list[str]:
    """What is wrong with the files; of a newer format only that, since it may well hold other files."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        version = json.loads((folder / DESCRIPTION).read_text("utf-8"))["format_version"]
        if type(version) is int and version > FORMAT_VERSION:
            return [f"it has format {version}, newer than this program's {FORMAT_VERSION}; update MSLesionSeg"]
    return file_problems(folder)


def _not_a_number(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _read_description(bundle: Path, path: Path) -> ModelDescription:
    if path.stat().st_size > MAX_DESCRIPTION_BYTES:
        raise ModelError(f"{DESCRIPTION} of the model {bundle} is too long.", FETCH_AGAIN)
    try:
        content = json.loads(path.read_text("utf-8"), parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{DESCRIPTION} of the model {bundle} is not valid JSON: {error}.", FETCH_AGAIN) from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:
        raise ModelError(
            f"{DESCRIPTION} of the model {bundle} has the unknown format version {version!r}.", FETCH_AGAIN
        )
    try:
        return ModelDescription.model_validate(content)
    except ValidationError as error:
        raise ModelError(
            f"{DESCRIPTION} of the model {bundle} is not a valid description: {explain(error)}.", FETCH_AGAIN
        ) from error


def _weight_shapes(path: Path, bundle: Path | None = None) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the tensors, from the header alone."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as weights:
            return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    except SafetensorError as error:
        with open(path, "rb") as stream:
            start = stream.read(4)
        pickled = start.startswith((b"\x80", b"PK\x03\x04"))
        reason = "they are pickled, which is never opened" if pickled else str(error)
        raise ModelError(
            f"The weights of the model {bundle or path} are not safetensors: {reason}.", FETCH_AGAIN
        ) from error
