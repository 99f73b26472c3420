"""What a score counts: connectivity, smallest lesion, match rules, empty masks. Data, printed with every table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from MSLesionSegLib.lesions import CONNECTIVITY, DEFAULT_MIN_MM3

RULES = {"overlap": "any overlap", "iou25": "IoU", "msseg": "MSSEG"}
"""Match rule as the columns name it -> its name for a reader."""


@dataclass(frozen=True)
class Policy:
    """The definitions behind the numbers of one evaluation.

    Attributes:
        connectivity: of the components that are lesions.
        min_lesion_mm3: smaller components are lesions in neither mask; they still count as voxels and volume.
        size_edges_mm3: volumes of a true lesion at which a new size bin begins.
        iou: least intersection over union of the rule ``iou25``.
        msseg_alpha, msseg_beta, msseg_gamma: of the rule ``msseg``, see ``lesion_metrics.msseg_found``.
        ndsc_r: lesion share of the image to which nDSC scales false positives.
        nsd_mm: tolerance of the normalised surface Dice.
        hd_percentile: of the directed surface distances.
        calibration_bins: bins of equal width over probability 0 to 1.
        calibration_margin_mm: calibration is measured in the union of both masks and this far around it.
        both_empty: score (Dice, precision, recall, F1, nDSC, NSD) where there is nothing to find and nothing was found.
        one_empty: score that has nothing to divide by where only one mask holds something.
        draws: bootstrap samples.
        level: of the bootstrap intervals.
        seed: of the bootstrap.
    """

    connectivity: int = CONNECTIVITY
    min_lesion_mm3: float = DEFAULT_MIN_MM3
    size_edges_mm3: tuple[float, ...] = (10.0, 100.0, 1000.0)
    iou: float = 0.25
    msseg_alpha: float = 0.05
    msseg_beta: float = 0.5
    msseg_gamma: float = 0.5
    ndsc_r: float = 0.001
    nsd_mm: float = 1.0
    hd_percentile: float = 95.0
    calibration_bins: int = 15
    calibration_margin_mm: float = 3.0
    both_empty: float = 1.0
    one_empty: float = 0.0
    draws: int = 10_000
    level: float = 0.95
    seed: int = 0

    def settings(self) -> dict[str, Any]:
        """The values, as plain JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def size_names(self) -> list[str]:
        """Name of each size bin, in mm3: ``<10``, ``10-100``, ``100-1000``, ``>=1000``."""
        edges = [f"{edge:g}" for edge in self.size_edges_mm3]
        between = [f"{low}-{high}" for low, high in zip(edges, edges[1:], strict=False)]
        return [f"<{edges[0]}", *between, f">={edges[-1]}"]

    def sentences(self) -> dict[str, str]:
        """What is ruled -> the rule, for a reader."""
        return {
            "Lesion": f"A {self.connectivity}-connected component of at least {self.min_lesion_mm3:g} mm3 in a mask. "
            "Smaller components count in voxel, surface and volume scores only.",
            "Match by any overlap": "A lesion is matched if it shares a voxel with a lesion of the other mask. Missed "
            "lesions, false positives, splits, merges and recall by size follow this rule.",
            "Match by IoU": "A lesion is matched if its intersection over union with one lesion of the other mask is "
            f"at least {self.iou:g} (Shifts).",
            "Match by MSSEG": f"A lesion is matched if more than {self.msseg_alpha:g} of it is covered by lesions of "
            f"the other mask, and of these, from the largest overlap down until {self.msseg_gamma:g} of the covered "
            f"part is explained, none has more than {self.msseg_beta:g} of its volume outside all lesions "
            "(MSSEG, Anima).",
            "Lesion recall, precision, F1": "Recall is the matched share of true lesions, precision that of predicted "
            "lesions, F1 their harmonic mean.",
            "Split, merged": "True lesions that share voxels with two or more predicted lesions; predicted lesions "
            "that share voxels with two or more true ones.",
            "Size bins": f"By volume of the true lesion in mm3: {', '.join(self.size_names())}; a lesion of exactly an "
            "edge belongs to the larger bin. For all cases together lesions are pooled.",
            "Specificity, accuracy": "Over the voxels of the brain mask; not computed where there is none. All other "
            "scores count every voxel of the annotated image.",
            "nDSC": f"Dice with false positives scaled to a lesion share of r = {self.ndsc_r:g} (Shifts); the "
            "background is that of the whole annotated image.",
            "Surface": "Voxels of a mask with a face neighbour outside; distances between their centres in mm. HD95: "
            f"the larger of the two directed {self.hd_percentile:g}th percentiles. ASSD: mean over both surfaces. NSD: "
            f"share of both surfaces within {self.nsd_mm:g} mm of the other.",
            "Volume": "All voxels of a mask; error = predicted - annotated, mL.",
            "Both masks empty": f"Dice, precision, recall, F1, nDSC and NSD are {self.both_empty:g}, HD95 and ASSD 0.",
            "One mask empty": f"Dice, nDSC and NSD are 0; a score with nothing to divide by (precision without a "
            f"prediction, recall without an annotation) is {self.one_empty:g}, so that no case drops out of the mean; "
            "HD95 and ASSD are not defined and left out of theirs. The same holds for lesions.",
            "Calibration": f"Within {self.calibration_margin_mm:g} mm of the union of both masks: ECE over "
            f"{self.calibration_bins} bins of equal width, Brier score. Not computed without probabilities.",
            "Interval": f"{100 * self.level:g} % percentile bootstrap over patients (all dates of a drawn patient "
            f"together), {self.draws} draws, seed {self.seed}; none with fewer than two patients.",
            "Grid": "That of the annotation. A prediction on another grid is resampled to it (mask: nearest voxel, "
            "probability: linear), and this is noted.",
        }
