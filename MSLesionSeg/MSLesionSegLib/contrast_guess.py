"""Which of several series is the FLAIR, the T1w and the T2w: by DICOM tags, then names, then voxels.

Tags decide by echo, repetition and inversion time (ms). The limits are those of clinical brain protocols, wide enough
for 1.5 and 3 T, 2D and 3D:

===========  ==========================================================================================
FLAIR        inversion time 1400 to 3200, echo time from 60
T1w          inversion time 300 to 1400 and echo time to 40; or spin echo with repetition time to 1200
             and echo time to 30; or gradient echo with echo time to 12
T2w          no inversion, echo time from 60, repetition time from 2000
none         echo-planar, gradient echo with a longer echo (T2*, susceptibility), short-inversion (STIR),
             proton density
===========  ==========================================================================================

A guess is *sure* when nothing speaks against it and no other series fits as well. Whatever else is used, it is said.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from .itk_quiet import itk_quiet
from .mask_shape import largest_piece
from .study import CONTRASTS

OTHER = "other"
KEYWORDS = {
    "Modality": "0008|0060",
    "ImageType": "0008|0008",
    "SeriesDescription": "0008|103e",
    "ProtocolName": "0018|1030",
    "SequenceName": "0018|0024",
    "ScanningSequence": "0018|0020",
    "RepetitionTime": "0018|0080",
    "EchoTime": "0018|0081",
    "InversionTime": "0018|0082",
    "DiffusionBValue": "0018|9087",
    "ContrastBolusAgent": "0018|0010",
}
"""The DICOM tags that are looked at; none names the patient."""

SURE = 0.75
_SECONDS = ("RepetitionTime", "EchoTime", "InversionTime")
_SHOWN_MS = {"EchoTime": "TE", "RepetitionTime": "TR", "InversionTime": "TI"}

_SUFFIX = re.compile(r"(?:^|_)(FLAIR|T1w|T2w)(?:\.\w+)*$")
_NO_CONTRAST_OF_OURS = re.compile(
    r"t2[\s_-]*(\*|star)|locali[sz]er|scout|survey|(?<![a-z])(loc|dwi|diff|adc|trace|dti|b\d{3,4}|perf|dsc|dce|asl|cbf|"
    r"swi|swan|tof|mip|mra|angio|mag|pha|phase|bold|epi|gre|stir|dir|psir|mask|label|d?seg|prob|subtr)(?![a-z])|diffusion"
    r"|perfusion|tensor|fmri|subtraction|probability|lesion|spine|orbit"
)
_T1_FLAIR = re.compile(r"t1w?[\s_-]*flair")
_FLAIR = re.compile(r"flair|dark[\s_-]*fluid")
_T1 = re.compile(r"(?<![a-z0-9])t1(?![0-9])|mprage|mp2rage|(?<![a-z])(f?spgr|bravo|tfl|t1tfe|vibe)(?![a-z])")
_T2 = re.compile(r"(?<![a-z0-9])t2(?![0-9])")
_PROTON_DENSITY = re.compile(r"(?<![a-z])(pd|dp|pdw)(?![a-z])|proton")
_AGENT = re.compile(
    r"(?<![a-z])(gd|gad|gado[a-z]*|post|postgd|post[\s_-]?contrast|ce|km|contrast|kontrast|dotarem|gadovist)(?![a-z])|"
    r"\+\s*c(?![a-z])|(?<![a-z])c\s*\+"
)
_NO_AGENT = re.compile(
    r"(?<![a-z])(pre|nativ|native|ohne|without|w/?o|non?)(?![a-z])|pre[\s_-]?(gd|contrast)|non[\s_-]?contrast"
)


@dataclass(frozen=True)
class Series:
    """What is known of one series.

    Attributes:
        name: of the series, file or node.
        tags: DICOM keyword -> value, of those in ``KEYWORDS``; times in ms.
        image: gives the voxels; called only where tags and names do not tell. None where there are none.
    """

    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    image: Callable[[], sitk.Image] | None = None


@dataclass(frozen=True)
class Guess:
    """Which series is taken as one contrast.

    Attributes:
        index: position in the list of series, or None where none fits.
        confidence: 0 to 1.
        sure: whether it may be used without asking the reader.
        reason: one or two sentences in words, to be shown.
    """

    index: int | None
    confidence: float
    sure: bool
    reason: str


@dataclass(frozen=True)
class _Verdict:
    """What one kind of evidence says: "FLAIR", "T1w", "T2w" or "other", how strongly, and in words."""

    contrast: str
    weight: float
    words: str


@dataclass(frozen=True)
class _Candidate:
    index: int
    name: str
    contrast: str
    confidence: float
    doubt: bool  # evidence differs, or only the voxels speak
    agent: str  # why it is taken to show contrast agent, or empty
    derived: bool
    words: str


def guess_contrasts(series: Sequence[Series]) -> dict[str, Guess]:
    """Find the FLAIR, T1w and T2w among series of one examination.

    Args:
        series: in the order in which they shall be preferred where all else is equal.

    Returns:
        "FLAIR", "T1w", "T2w" -> the guess; no series is taken twice.
    """
    judged = [_judge(index, one) for index, one in enumerate(series)]
    unsorted = [one.name for one in judged if not one.contrast]
    return {contrast: _choose(contrast, judged, unsorted) for contrast in CONTRASTS}


def dicom_tags(file: str | Path) -> dict[str, str]:
    """The tags of ``KEYWORDS`` in one DICOM file; empty where it cannot be read."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(file))
    try:
        with itk_quiet():
            reader.ReadImageInformation()
    except RuntimeError:
        return {}
    found = {keyword: reader.GetMetaData(key) for keyword, key in KEYWORDS.items() if reader.HasMetaDataKey(key)}
    clean = {keyword: value.encode("utf-8", "replace").decode().strip(" \0") for keyword, value in found.items()}
    return {keyword: value for keyword, value in clean.items() if value}


def sidecar_tags(image_file: str | Path) -> dict[str, str]:
    """The same of the JSON file that converters to NIfTI (dcm2niix) leave beside the image; empty where there is none.

    BIDS keeps times in seconds; they are returned in ms.
    """
    path = Path(image_file)
    path = path.with_name(re.sub(r"(\.nii\.gz|\.[^.]+)$", ".json", path.name))
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(values, dict):
        return {}
    tags = {}
    for keyword in KEYWORDS:
        value = values.get(keyword, values.get("ContrastBolusIngredient") if keyword == "ContrastBolusAgent" else None)
        if keyword in _SECONDS and isinstance(value, int | float):
            value = f"{value * 1000:g}"
        if isinstance(value, list):
            value = "\\".join(map(str, value))
        if isinstance(value, str | int | float) and str(value):
            tags[keyword] = str(value)
    return tags


def _judge(index: int, series: Series) -> _Candidate:
    """One series by all its evidence; its contrast is "" where nothing tells."""
    by_tags, by_name = _by_tags(series.tags), _by_name(series)
    verdicts = [one for one in (by_tags, by_name) if one is not None]
    doubt = len({one.contrast for one in verdicts}) > 1
    if (not verdicts or doubt) and series.image is not None:
        by_voxels = _by_voxels(series.image())
        if by_voxels is not None and (not verdicts or by_voxels.contrast in {one.contrast for one in verdicts}):
            verdicts.append(by_voxels)
            if doubt:  # two against one
                verdicts.sort(key=lambda one: one.contrast != by_voxels.contrast)
            doubt = True
    contrast = verdicts[0].contrast if verdicts else ""
    unlike = math.prod(1.0 - one.weight for one in verdicts if one.contrast == contrast)
    confidence = 0.0 if not verdicts else (1.0 - unlike) * (0.6 if len({v.contrast for v in verdicts}) > 1 else 1.0)
    words = ", ".join(one.words for one in verdicts if one.contrast == contrast)
    against = [f"{one.words} would be {_article(one.contrast)}" for one in verdicts if one.contrast != contrast]
    return _Candidate(
        index=index,
        name=series.name,
        contrast=contrast,
        confidence=round(confidence, 2),
        doubt=doubt,
        agent=contrast_agent(series),
        derived="DERIVED" in series.tags.get("ImageType", "").upper().split("\\"),
        words="; ".join([words, *against]),
    )


def _choose(contrast: str, judged: Sequence[_Candidate], unsorted: Sequence[str]) -> Guess:
    fitting = [one for one in judged if one.contrast == contrast]
    if not fitting:
        left = f" What {', '.join(unsorted)} may be, is not known." if unsorted else ""
        return Guess(
            None, 0.0, contrast != "FLAIR" and not unsorted, f"No series looks like {_article(contrast)}.{left}"
        )
    after_agent = contrast == "T1w"
    ranked = sorted(
        fitting, key=lambda one: (bool(one.agent) and after_agent, one.doubt, one.derived, -one.confidence, one.index)
    )
    best = ranked[0]
    reason = [f"{best.name} is taken as {contrast}: {best.words}."]
    rivals = [
        one.name
        for one in ranked[1:]
        if bool(one.agent) == bool(best.agent) and (one.doubt, one.derived) <= (best.doubt, best.derived)
    ]
    if rivals:
        reason.append(f"{', '.join(rivals)} {'fits' if len(rivals) == 1 else 'fit'} as well; please check.")
    if best.agent:
        only = "No T1w without contrast agent was found; this" if after_agent else "This"
        reason.append(f"{only} one is after contrast agent ({best.agent}).")
    if best.doubt:
        reason.append("Please check.")
    sure = best.confidence >= SURE and not (rivals or best.doubt or (best.agent and after_agent))
    return Guess(best.index, best.confidence, sure, " ".join(reason))


def _by_tags(tags: Mapping[str, str]) -> _Verdict | None:
    if tags.get("Modality", "MR") != "MR":
        return _Verdict(OTHER, 0.99, f"modality {tags['Modality']}")
    te, tr, ti = (_number(tags.get(keyword)) for keyword in ("EchoTime", "RepetitionTime", "InversionTime"))
    kind = set(re.split(r"[\\, _]+", tags.get("ScanningSequence", "").upper()))
    gradient = "GR" in kind and "SE" not in kind
    words = ", ".join(
        f"{short} {_number(tags[keyword]):g} ms" for keyword, short in _SHOWN_MS.items() if _number(tags.get(keyword))
    )
    if "EP" in kind or _number(tags.get("DiffusionBValue")):
        return _Verdict(OTHER, 0.95, "an echo-planar or diffusion sequence")
    if not te:
        return None
    if ti and ti < 300 and not gradient:
        return _Verdict(OTHER, 0.9, f"{words} (fat is nulled)")
    if ti and ti >= 1400:
        return _Verdict("FLAIR", 0.9, words) if ti <= 3200 and te >= 60 else None
    if ti and te <= 40:
        return _Verdict("T1w", 0.9, words)
    if gradient:
        return _Verdict("T1w", 0.7, f"gradient echo, {words}") if te <= 12 else _Verdict(OTHER, 0.8, f"T2*, {words}")
    if not tr:
        return None
    if te >= 60 and tr >= 2000:
        if "IR" in kind:
            return _Verdict("FLAIR", 0.8, f"inversion recovery, {words}")
        return _Verdict("T2w", 0.85, words)
    if te <= 30 and tr <= 1200:
        return _Verdict("T1w", 0.85, words)
    if te <= 50 and tr >= 1800:
        return _Verdict(OTHER, 0.6, f"proton density, {words}")
    return None


def _by_name(series: Series) -> _Verdict | None:
    suffix = _SUFFIX.search(series.name)
    if suffix is not None:
        return _Verdict(suffix[1], 0.9, f"named '{series.name}'")
    for text in (series.name, series.tags.get("SeriesDescription", ""), series.tags.get("ProtocolName", "")):
        verdict = _by_text(text)
        if verdict is not None:
            return verdict
    return None


def _by_text(text: str) -> _Verdict | None:
    low = text.lower()
    words = f"named '{text}'"
    if _NO_CONTRAST_OF_OURS.search(low):
        return _Verdict(OTHER, 0.85, words)
    if _T1_FLAIR.search(low):
        return _Verdict("T1w", 0.7, words)
    found = [name for name, pattern in (("FLAIR", _FLAIR), ("T1w", _T1), ("T2w", _T2)) if pattern.search(low)]
    if "FLAIR" in found:
        return _Verdict("FLAIR", 0.85 if "T1w" not in found else 0.5, words)
    if len(found) == 1:
        return _Verdict(found[0], 0.8 if not _PROTON_DENSITY.search(low) else 0.5, words)
    if len(found) == 2:
        return None
    return _Verdict(OTHER, 0.7, words) if _PROTON_DENSITY.search(low) else None


def contrast_agent(series: Series) -> str:
    """Why the series is taken to show contrast agent; empty where nothing says so."""
    agent = series.tags.get("ContrastBolusAgent", "")
    if agent and agent.lower() not in ("none", "no", "n"):
        return f"contrast agent {agent}"
    for text in (series.name, series.tags.get("SeriesDescription", ""), series.tags.get("ProtocolName", "")):
        if _AGENT.search(text.lower()) and not _NO_AGENT.search(text.lower()):
            return f"named '{text}'"
    return ""


def _number(text: str | None) -> float:
    try:
        return float((text or "").split("\\")[0])
    except ValueError:
        return 0.0


def _article(contrast: str) -> str:
    return "another kind of image" if contrast == OTHER else f"a {contrast}"


_STEP_MM = 3.0
_DEEP_MM, _RIM_MM = 25.0, (2.0, 12.0)
_OUTER_MM, _INNER_MM = (14.0, 22.0), (32.0, 50.0)
_STRIPPED_MM = 48.0
_LEAST_VOXELS = 50
_BRIGHT_FLUID, _BRIGHT_SCALP, _DARK_CORTEX, _BRIGHT_CORTEX = 1.4, 1.5, 0.95, 0.98


def _by_voxels(image: sitk.Image) -> _Verdict | None:
    """By the image alone, without knowing where the brain is.

    Fluid is bright on T2w (upper tail of the intensities deep in the head over the lower one); fat under the skin is
    brightest on T1w, where the outer brain is darker than the inner. Over 24 images of ten studies (one the phantom):

    ==============================  ============  ============  ===========================
    measure                         FLAIR         T1w           T2w
    ==============================  ============  ============  ===========================
    tails, deeper than 25 mm        0.32 to 0.74  0.19 to 1.29  1.49 to 6.27
    scalp / deep                    1.09 to 1.38  1.63 to 2.54  whole heads; 1.41 to 1.69
    outer / inner brain             0.99 to 1.13  0.88 to 0.91  whole heads; 1.06 to 1.16
    ==============================  ============  ============  ===========================

    FLAIR and T1w without scalp are not told apart.
    """
    spacing = np.asarray(image.GetSpacing()[::-1])
    stride = np.maximum(1, np.rint(_STEP_MM / spacing)).astype(int)
    values = sitk.GetArrayViewFromImage(image)[tuple(slice(None, None, step) for step in stride)].astype(np.float32)
    depth = _depth(values, spacing * stride)
    deep = values[depth > _DEEP_MM]
    if deep.size < _LEAST_VOXELS:
        return None
    low, median, high = np.percentile(deep, (1, 50, 99))
    if not low < median < high:
        return None
    if depth.max() >= _STRIPPED_MM:
        tissue = (values > 0.6 * median) & (values < 1.5 * median)
        outer, inner = (values[(depth > first) & (depth < last) & tissue] for first, last in (_OUTER_MM, _INNER_MM))
        rim = values[(depth > _RIM_MM[0]) & (depth < _RIM_MM[1])]
        scalp = np.percentile(rim, 90) / median if rim.size else 0.0
        ratio = np.median(outer) / np.median(inner) if min(outer.size, inner.size) >= _LEAST_VOXELS else 0.0
        if scalp > _BRIGHT_SCALP and 0.0 < ratio < _DARK_CORTEX:
            return _Verdict("T1w", 0.5, "its voxels (bright fat, outer brain darker than inner)")
        if (high - median) / (median - low) < 1.0 and scalp < _BRIGHT_SCALP and ratio > _BRIGHT_CORTEX:
            return _Verdict("FLAIR", 0.5, "its voxels (dark fluid, outer brain not darker than inner)")
    if (high - median) / (median - low) > _BRIGHT_FLUID:
        return _Verdict("T2w", 0.5, "its voxels (bright fluid)")
    return None


def _depth(values: np.ndarray, spacing_zyx: np.ndarray) -> np.ndarray:
    """Distance (mm) of each voxel of the head from its surface, 0 outside; the cut at first and last slice is none."""
    top = float(np.percentile(values, 99.5))
    if not top > 0.0:
        return np.zeros(values.shape)
    bright = sitk.OtsuThreshold(sitk.GetImageFromArray(np.clip(values, 0.0, top)), 0, 1)
    head = ndimage.binary_closing(sitk.GetArrayFromImage(bright) > 0, iterations=3)
    head = np.stack([ndimage.binary_fill_holes(plane) for plane in head])
    padded = np.pad(largest_piece(head), ((0, 0), (1, 1), (1, 1)))
    return ndimage.distance_transform_edt(padded, sampling=spacing_zyx)[:, 1:-1, 1:-1]
