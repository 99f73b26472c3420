"""Textbook MR signal equations, tissue constants, coil bias and noise for synthetic images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from .head_shape import Head, Label
from .implicit import smooth_noise


@dataclass(frozen=True)
class Tissue:
    """Relaxation times at 1.5 T in ms, proton density relative to water, relative spread of the signal inside it."""

    t1: float
    t2: float
    t2_star: float
    density: float
    texture: float = 0.02


BRAINWEB = {
    "csf": Tissue(2569, 329, 58, 1.00, 0.02),
    "grey": Tissue(833, 83, 69, 0.86, 0.035),
    "white": Tissue(500, 70, 61, 0.77, 0.02),
    "lesion": Tissue(752, 237, 204, 0.76, 0.05),
}
"""BrainWeb's constants (Collins et al. 1998, McConnell Brain Imaging Centre) for the tissues that matter most."""

FREE_WATER = 0.28
"""Share of a lesion in which tissue is lost; without it no lesion would be as dark in T1w as real ones are."""


def _mix(a: Tissue, b: Tissue, share: float, texture: float) -> Tissue:
    names = ("t1", "t2", "t2_star", "density")
    parts = {name: (1 - share) * getattr(a, name) + share * getattr(b, name) for name in names}
    return Tissue(**parts, texture=texture)


_CSF, _GREY, _WHITE = BRAINWEB["csf"], BRAINWEB["grey"], BRAINWEB["white"]

TISSUES: Mapping[Label, Tissue] = {
    Label.AIR: Tissue(1000, 50, 20, 0.0, 0.0),
    Label.SKIN: Tissue(700, 45, 30, 0.70, 0.10),
    Label.FAT: Tissue(300, 105, 58, 0.95, 0.12),
    Label.MUSCLE: Tissue(900, 47, 30, 0.85, 0.14),
    Label.BONE: Tissue(900, 25, 5, 0.08, 0.30),
    Label.MARROW: Tissue(400, 70, 25, 0.45, 0.30),
    Label.MUCOSA: Tissue(1100, 130, 50, 0.80, 0.15),
    Label.DURA: Tissue(800, 40, 20, 0.45, 0.15),
    Label.VESSEL: Tissue(1400, 60, 30, 0.10, 0.20),
    Label.SUBARACHNOID_CSF: _CSF,
    Label.EYE: _CSF,
    Label.LENS: Tissue(1000, 35, 20, 0.60, 0.05),
    Label.NERVE: _mix(_WHITE, _GREY, 0.3, 0.03),
    Label.SULCAL_CSF: _CSF,
    Label.VENTRICLE: _CSF,
    Label.CENTRAL_VENTRICLE: _CSF,
    Label.GREY: _GREY,
    Label.WHITE: _WHITE,
    Label.DEEP_GREY: _mix(_GREY, _WHITE, 0.30, 0.03),
    Label.PALLIDUM: Tissue(620, 66, 45, 0.78, 0.03),
    Label.BRAIN_STEM: _mix(_WHITE, _GREY, 0.25, 0.03),
    Label.CEREBELLAR_GREY: _mix(_GREY, _WHITE, 0.12, 0.035),
    Label.CEREBELLAR_WHITE: _mix(_WHITE, _GREY, 0.15, 0.025),
    Label.CHOROID_PLEXUS: Tissue(1100, 130, 60, 0.90, 0.15),
}
"""Constants for every label. BrainWeb's for brain and CSF; mixtures of them for nuclei and brain stem; plausible ones
outside the brain, where fat has the longer apparent T2 that it shows in fast spin echo."""


@dataclass(frozen=True)
class Sequence:
    """A pulse sequence.

    Times in ms, flip angle in degrees; ``kind`` is one of the keys of `EQUATIONS`; ``fat_saturation`` is the share of
    the signal of fat and marrow that a preparation pulse takes away.
    """

    name: str
    kind: str
    tr: float
    te: float
    ti: float = 0.0
    flip_deg: float = 90.0
    fat_saturation: float = 0.0


def null_time(t1: float, tr: float) -> float:
    """Inversion time (ms) at which inversion recovery gives no signal of a tissue with this T1."""
    return t1 * float(np.log(2.0 / (1.0 + np.exp(-tr / t1))))


SEQUENCES = {
    "FLAIR": Sequence("FLAIR", "inversion recovery", tr=9000, te=120, ti=1.03 * null_time(_CSF.t1, 9000)),
    "T1w": Sequence("T1w", "spoiled gradient echo", tr=20, te=5, flip_deg=25),
    "T2w": Sequence("T2w", "spin echo", tr=4500, te=95),
}


def spin_echo(tissue: Tissue, sequence: Sequence) -> float:
    """S = PD (1 - exp(-TR/T1)) exp(-TE/T2)."""
    return tissue.density * (1 - np.exp(-sequence.tr / tissue.t1)) * np.exp(-sequence.te / tissue.t2)


def inversion_recovery(tissue: Tissue, sequence: Sequence) -> float:
    """Magnitude of S = PD (1 - 2 exp(-TI/T1) + exp(-TR/T1)) exp(-TE/T2)."""
    recovered = 1 - 2 * np.exp(-sequence.ti / tissue.t1) + np.exp(-sequence.tr / tissue.t1)
    return abs(tissue.density * recovered * np.exp(-sequence.te / tissue.t2))


def spoiled_gradient_echo(tissue: Tissue, sequence: Sequence) -> float:
    """S = PD sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE/T2*), E1 = exp(-TR/T1) (Ernst)."""
    angle, e1 = np.deg2rad(sequence.flip_deg), np.exp(-sequence.tr / tissue.t1)
    weight = np.sin(angle) * (1 - e1) / (1 - np.cos(angle) * e1)
    return tissue.density * weight * np.exp(-sequence.te / tissue.t2_star)


EQUATIONS = {
    "spin echo": spin_echo,
    "inversion recovery": inversion_recovery,
    "spoiled gradient echo": spoiled_gradient_echo,
}


def signal(tissue: Tissue, sequence: Sequence) -> float:
    """Signal of a tissue, where white matter gives 100."""
    equation = EQUATIONS[sequence.kind]
    return float(100.0 * equation(tissue, sequence) / equation(_WHITE, sequence))


def lesion_signal(sequence: Sequence) -> float:
    """Signal of a chronic lesion, where white matter gives 100: BrainWeb's lesion with some of it lost to free water.

    Half to three quarters of it mixed with white matter give what real lesions show beside normal white matter: about
    1.5 in FLAIR, 0.8 in T1w, 2 in T2w.
    """
    return (1 - FREE_WATER) * signal(BRAINWEB["lesion"], sequence) + FREE_WATER * signal(_CSF, sequence)


def draw_tissues(rng: np.random.Generator, variation: float = 1.0) -> dict[Label, Tissue]:
    """`TISSUES` with every constant varied by some per cent, more outside the brain and CSF."""
    drawn = {}
    for label, tissue in TISSUES.items():
        spread = variation * (0.04 if label >= Label.SULCAL_CSF else 0.15)
        factors = np.exp(spread * np.clip(rng.standard_normal(4), -2.5, 2.5))
        drawn[label] = replace(
            tissue,
            t1=tissue.t1 * factors[0],
            t2=tissue.t2 * factors[1],
            t2_star=tissue.t2_star * factors[2],
            density=tissue.density * factors[3],
        )
    for label in (Label.SUBARACHNOID_CSF, Label.VENTRICLE, Label.CENTRAL_VENTRICLE):
        drawn[label] = drawn[Label.SULCAL_CSF]
    return drawn


def draw_sequence(name: str, rng: np.random.Generator, variation: float = 1.0) -> Sequence:
    """The sequence ``name`` ("FLAIR", "T1w", "T2w") with times and flip angle varied as they vary between scanners.

    Half of the FLAIR and a fifth of the others get fat saturation.
    """
    base = SEQUENCES[name]
    tr, te, ti, flip = np.exp(variation * np.array([0.10, 0.12, 0.05, 0.12]) * np.clip(rng.standard_normal(4), -2, 2))
    saturated = variation > 0 and rng.random() < (0.5 if name == "FLAIR" else 0.2)
    fat = float(rng.uniform(0.6, 0.95)) if saturated else 0.0
    times = {"tr": base.tr * tr, "te": base.te * te, "ti": base.ti * ti, "flip_deg": base.flip_deg * flip}
    return replace(base, **times, fat_saturation=fat)


def tissue_signal(
    labels: np.ndarray,
    sequence: Sequence,
    rng: np.random.Generator,
    *,
    spacing_mm: float,
    tissues: Mapping[Label, Tissue] = TISSUES,
    lesions: np.ndarray | None = None,
) -> np.ndarray:
    """Noise-free signal of a label map with the texture of each tissue.

    Args:
        labels: (z, y, x) uint8, values of `Label`.
        sequence: the pulse sequence.
        rng: source of the texture.
        spacing_mm: isotropic spacing of the grid.
        tissues: constants for every label.
        lesions: (z, y, x) share of lesion tissue in each voxel, 0 to 1.

    Returns:
        (z, y, x) float32, white matter about 100.
    """
    mean, spread = np.zeros(len(Label), np.float32), np.zeros(len(Label), np.float32)
    for label in Label:
        mean[label] = signal(tissues[label], sequence)
        if label in (Label.FAT, Label.MARROW):
            mean[label] *= 1.0 - sequence.fat_saturation
        spread[label] = mean[label] * tissues[label].texture
    fine = 0.7 * smooth_noise(rng, labels.shape, spacing_mm, max(2.5, 1.5 * spacing_mm))
    fine += 0.7 * smooth_noise(rng, labels.shape, spacing_mm, 9.0)
    image = mean[labels] + spread[labels] * np.clip(fine, -3, 3)
    if lesions is not None:
        image += lesions * (lesion_signal(sequence) - image)
    return np.maximum(image, 0.0).astype(np.float32)


def coil_bias(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing_mm: float, strength: float = 0.2
) -> np.ndarray:
    """Smooth multiplicative bias field of a receive coil.

    Args:
        rng: source of randomness.
        shape: (z, y, x).
        spacing_mm: isotropic spacing.
        strength: 0.2 means factors of about 0.9 to 1.1, as BrainWeb counts it.
    """
    field = smooth_noise(rng, shape, spacing_mm, 90.0)
    return np.exp(np.float32(strength / 4.0) * np.clip(field, -2.5, 2.5))


def rician(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of ``image`` with normal noise of ``sigma`` in its real and imaginary part (Gudbjartsson 1995)."""
    real = image + np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.sqrt(real * real + imaginary * imaginary)


def synthesise(
    head: Head,
    sequence: Sequence,
    rng: np.random.Generator,
    *,
    tissues: Mapping[Label, Tissue] = TISSUES,
    lesions: np.ndarray | None = None,
    blur_mm: float = 0.5,
    bias: float = 0.2,
    noise: float = 2.0,
) -> np.ndarray:
    """A synthetic MR image on the head's own grid.

    Args:
        head: the label map.
        sequence: the pulse sequence, see `SEQUENCES` and `draw_sequence`.
        rng: source of texture, bias and noise.
        tissues: constants for every label, see `draw_tissues`.
        lesions: (z, y, x) share of lesion tissue in each voxel, 0 to 1.
        blur_mm: standard deviation of the point spread, stands for partial volume.
        bias: strength of `coil_bias`.
        noise: sigma of the Rician noise in per cent of the signal of white matter.

    Returns:
        (z, y, x) float32, white matter about 100.
    """
    image = tissue_signal(head.labels, sequence, rng, spacing_mm=head.spacing_mm, tissues=tissues, lesions=lesions)
    if blur_mm > 0:
        image = ndimage.gaussian_filter(image, blur_mm / head.spacing_mm, truncate=3.0)
    image *= coil_bias(rng, image.shape, head.spacing_mm, bias)
    return rician(image, noise, rng)
