"""What ``model.json`` of a bundle may say, as a strict schema.

Every field is a plain value within stated bounds: no class names, no expressions, no paths. A key that is not listed
here is an error, so that a bundle written by a newer program is refused instead of half understood.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

#: The one version of the format that this program reads and writes.
FORMAT_VERSION = 1
#: The networks that ``build_network`` knows.
ARCHITECTURES = ("efficientnet3d_unet", "unet3d")
#: Letters of a model's name and version; together they name a folder, on every system.
NAME_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$"
VERSION_PATTERN = r"^[0-9]([A-Za-z0-9._]{0,30}[A-Za-z0-9])?$"

#: No count of an architecture (channels, depths, strides) is larger; keeps a damaged number from filling the memory.
MAX_ARCHITECTURE_NUMBER = 4096
MAX_KEYS = 64
MAX_LIST = 256
MAX_DEPTH = 3
MAX_TEXT = 2000

_KEY = re.compile(r"^[A-Za-z][A-Za-z0-9_ .-]{0,79}$")
_ARGUMENT = re.compile(r"^[a-z][a-z0-9_]{0,39}$")
_WORD = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")

Edge = Annotated[int, Field(ge=16, le=512)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Contrast = Literal["FLAIR", "T1w", "T2w"]
Weight = Annotated[float, Field(ge=-1000.0, le=1000.0)]


def _check_plain(value: Any, depth: int = 0) -> Any:
    """Let through null, booleans, finite numbers, bounded text, and bounded lists and mappings of these."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number is not finite")
        return value
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(f"a text is longer than {MAX_TEXT} characters")
        return value
    if depth >= MAX_DEPTH:
        raise ValueError(f"values are nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list | tuple):
        if len(value) > MAX_LIST:
            raise ValueError(f"a list is longer than {MAX_LIST}")
        return [_check_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        if len(value) > MAX_KEYS:
            raise ValueError(f"there are more than {MAX_KEYS} keys")
        for key in value:
            if not isinstance(key, str) or not _KEY.fullmatch(key):
                raise ValueError(f"{key!r} is not a plain key")
        return {key: _check_plain(item, depth + 1) for key, item in value.items()}
    raise ValueError(f"a value of type {type(value).__name__} is not plain")


PlainDict = Annotated[dict[str, Any], AfterValidator(_check_plain)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class TrainingRecord(_Strict):
    """What a model was trained on.

    Attributes:
        data: one line for each data set.
        licence: licence of the data, and so of the weights.
        case_hashes: SHA-256 of the FLAIR voxels of each training case, so that a test set can be kept apart.
        recipe: settings of the training, plain values.
    """

    data: Annotated[list[Text], Field(min_length=1, max_length=MAX_LIST)]
    licence: Text
    case_hashes: Annotated[list[Sha256], Field(max_length=20_000)]
    recipe: PlainDict


class LesionCalibration(_Strict):
    """The confidence of a lesion where the network was given certain contrasts (see ``lesion_confidence``).

    Attributes:
        contrasts: those given.
        left_out: the contrast that the second pass leaves out; empty where it mirrors the images.
        intercept: of the logistic regression.
        weights: of its features, ``evidence`` and ``edge``.
        doubtful_below: a lesion of less confidence is doubtful.
    """

    contrasts: Annotated[list[Contrast], Field(min_length=1, max_length=3)]
    left_out: Literal["", "T1w", "T2w"]
    intercept: Weight
    weights: Annotated[dict[Literal["evidence", "edge"], Weight], Field(min_length=2)]
    doubtful_below: Annotated[float, Field(gt=0.0, lt=1.0)]


class Calibration(_Strict):
    """How sure the model may be, fitted on patients whom the network had not seen.

    Attributes:
        fitted_on: one line for each case: whose, how many lesions were listed and how many were real.
        voxel_temperature: the logit of a voxel's probability divided by it is the calibrated logit; None where no
            temperature lowers the calibration error of patients left out of the fit.
        lesions: one for each choice of contrasts.
        figures: what was measured, one mapping for each measurement.
    """

    fitted_on: Annotated[list[Text], Field(min_length=1, max_length=MAX_LIST)]
    voxel_temperature: Annotated[float, Field(gt=0.05, lt=20.0)] | None
    lesions: Annotated[list[LesionCalibration], Field(min_length=1, max_length=4)]
    figures: Annotated[list[PlainDict], Field(max_length=MAX_LIST)]


class ModelDescription(_Strict):
    """The content of ``model.json``.

    Attributes:
        format_version: version of the bundle format, 1.
        kind: "lesion" finds lesions, "brain" finds the brain.
        name: name of the model, letters, digits, dot, underscore, hyphen.
        version: begins with a digit, holds no hyphen.
        architecture: "type" (one of ``ARCHITECTURES``) and the arguments of that network: numbers, words, lists.
        contrasts: contrasts in the order of the input channels.
        spacing_mm: edge of the cubic voxels that the network was trained on, mm.
        normalisation: name of the intensity normalisation.
        threshold: probability from which a voxel is lesion (or brain).
        min_lesion_mm3: components smaller than this are left out, mm3.
        patch: window that the network was trained on, (z, y, x) voxels.
        flip: whether the mirrored window is averaged in.
        training: what the model was trained on.
        scores: measured figures, one mapping for each evaluation.
        calibration: of the confidence of lesions; None for a model that has none.
        created: UTC, as 2026-01-31T12:00:00Z.
    """

    format_version: Literal[1]
    kind: Literal["lesion", "brain"]
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    version: Annotated[str, Field(pattern=VERSION_PATTERN)]
    architecture: dict[str, Any]
    contrasts: Annotated[list[Contrast], Field(min_length=1, max_length=3)]
    spacing_mm: Annotated[float, Field(ge=0.2, le=10.0)]
    normalisation: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)]
    min_lesion_mm3: Annotated[float, Field(ge=0.0, le=10_000.0)]
    patch: Annotated[tuple[Edge, Edge, Edge], Field(strict=False)]
    flip: bool
    training: TrainingRecord
    scores: Annotated[list[PlainDict], Field(max_length=MAX_LIST)]
    calibration: Calibration | None = None
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]

    @field_validator("architecture")
    @classmethod
    def _check_architecture(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value.get("type") not in ARCHITECTURES:
            raise ValueError(f"the type {value.get('type')!r} is none of {', '.join(ARCHITECTURES)}")
        for key, argument in value.items():
            if not _ARGUMENT.fullmatch(key):
                raise ValueError(f"{key!r} is not a plain argument name")
            _check_argument(key, argument)
        return _check_plain(value)

    @field_validator("contrasts")
    @classmethod
    def _check_contrasts(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("a contrast is named twice")
        return value


def _check_argument(key: str, value: Any) -> None:
    """Refuse an architecture argument that is no number, word, or list of them (two levels)."""
    for item in value if isinstance(value, list | tuple) else [value]:
        for leaf in item if isinstance(item, list | tuple) else [item]:
            if isinstance(leaf, int | float):
                if not abs(leaf) <= MAX_ARCHITECTURE_NUMBER:
                    raise ValueError(f"{key} holds a number beyond {MAX_ARCHITECTURE_NUMBER}")
            elif not isinstance(leaf, str) or not _WORD.fullmatch(leaf):
                raise ValueError(f"{key} holds something else than numbers and words")


def explain(error: ValidationError) -> str:
    """The first faults of a description as one phrase: where, and what is wrong there."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    phrases = []
    for fault in faults[:3]:
        place = ".".join(str(part) for part in fault["loc"]) or "the whole"
        phrases.append(f"{place}: {fault['msg'].removeprefix('Value error, ')}")
    more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
    return "; ".join(phrases) + more
