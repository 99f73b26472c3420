"""Which lesions of two masks match, under three named rules; splits, merges, false positives and recall by size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MSLesionSegLib.lesions import label_lesions, lesion_mask, minimum_voxels
from MSLesionSegLib.location import LOCATIONS, lesion_locations

from .policy import RULES, Policy
from .voxel_metrics import share


@dataclass(frozen=True)
class LesionScores:
    """Lesions of one case.

    Attributes:
        values: column -> number, see ``columns``.
        size_lesions, size_found: true lesions in each size bin, and those found by any overlap.
    """

    values: dict[str, float]
    size_lesions: tuple[int, ...]
    size_found: tuple[int, ...]


def overlap_table(
    truth: np.ndarray, predicted: np.ndarray, spacing_xyz: tuple[float, float, float], policy: Policy
) -> np.ndarray:
    """Voxels that each true lesion shares with each predicted one.

    Args:
        truth, predicted: (z, y, x) bool; may be cut to a box that holds all their true voxels.
        spacing_xyz: voxel spacing in mm.
        policy: smallest lesion.

    Returns:
        (n + 1, m + 1) int for n true and m predicted lesions; row and column 0 stand for no lesion, [0, 0] is 0.
    """
    labels = [
        label_lesions(lesion_mask(mask.view(np.uint8), 0.5, policy.min_lesion_mm3, spacing_xyz))
        for mask in (np.ascontiguousarray(truth), np.ascontiguousarray(predicted))
    ]
    shape = tuple(int(one.max(initial=0)) + 1 for one in labels)
    table = np.bincount(labels[0].ravel() * shape[1] + labels[1].ravel(), minlength=shape[0] * shape[1]).reshape(shape)
    table[0, 0] = 0
    return table


def overlap_found(table: np.ndarray) -> np.ndarray:
    """(n,) bool: which true lesions share a voxel with a predicted one; of the transposed table, which predicted do."""
    return table[1:, 1:].any(axis=1)


def iou_found(table: np.ndarray, least: float) -> np.ndarray:
    """(n,) bool: which true lesions have an IoU of at least ``least`` with one predicted lesion.

    The rule of the Shifts challenge; below 0.5 two lesions may match the same one.
    """
    shared = table[1:, 1:]
    union = table[1:].sum(axis=1)[:, None] + table[:, 1:].sum(axis=0)[None] - shared
    return ((shared > 0) & (shared >= least * union)).any(axis=1)


def msseg_found(table: np.ndarray, alpha: float, beta: float, gamma: float) -> np.ndarray:
    """(n,) bool: which true lesions count as found in the MSSEG challenge.

    More than ``alpha`` of the lesion is covered, and of the predicted lesions on it, from the largest overlap down
    until they explain ``gamma`` of the covered part, none lies by more than ``beta`` of its volume outside all true
    lesions (Commowick et al., "Objective evaluation of multiple sclerosis lesion segmentation using a data management
    and processing infrastructure", Sci Rep 2018; thresholds as preset in Anima's animaSegPerfAnalyzer). Of overlaps of
    equal size the larger lesion comes first.
    """
    sizes = table[:, 1:].sum(axis=0)
    outside = table[0, 1:] / np.maximum(sizes, 1)
    found = np.zeros(len(table) - 1, bool)
    for lesion, row in enumerate(table[1:]):
        shared = row[1:]
        covered = int(shared.sum())
        if not covered > alpha * row.sum():
            continue
        order = np.argsort(-shared, kind="stable")
        explained = np.cumsum(shared[order])
        needed = order[: int(np.argmax(explained >= gamma * covered)) + 1]
        found[lesion] = bool((outside[needed] <= beta).all())
    return found


def lesion_scores(
    truth: np.ndarray, predicted: np.ndarray, spacing_xyz: tuple[float, float, float], policy: Policy
) -> LesionScores:
    """Count and match the lesions of two masks.

    Args:
        truth, predicted: (z, y, x) bool; may be cut to a box that holds all their true voxels.
        spacing_xyz: voxel spacing in mm.
        policy: smallest lesion, rules, size bins, and the values where there is no lesion.
    """
    table = overlap_table(truth, predicted, spacing_xyz, policy)
    lesions, marked = len(table) - 1, len(table.T) - 1
    values: dict[str, float] = {"lesions": lesions, "lesions_predicted": marked}
    for rule in RULES:
        found, right = _found(rule, table, policy), _found(rule, table.T, policy)
        recall = share(int(found.sum()), lesions, lesions + marked == 0, policy)
        precision = share(int(right.sum()), marked, lesions + marked == 0, policy)
        values[f"{rule}_recall"], values[f"{rule}_precision"] = recall, precision
        values[f"{rule}_f1"] = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
    found, right = overlap_found(table), overlap_found(table.T)
    voxel_ml = float(np.prod(spacing_xyz)) / 1000.0
    sizes = table[1:].sum(axis=1)
    edges = [minimum_voxels(edge, spacing_xyz) for edge in policy.size_edges_mm3]
    bins = np.searchsorted(edges, sizes, side="right")
    values |= {
        "missed": int((~found).sum()),
        "false_positives": int((~right).sum()),
        "false_positive_ml": float(table[:, 1:].sum(axis=0)[~right].sum()) * voxel_ml,
        "split": int(((table[1:, 1:] > 0).sum(axis=1) > 1).sum()),
        "merged": int(((table[1:, 1:] > 0).sum(axis=0) > 1).sum()),
    }
    return LesionScores(
        values,
        tuple(np.bincount(bins, minlength=len(edges) + 1).tolist()),
        tuple(np.bincount(bins[found], minlength=len(edges) + 1).tolist()),
    )


def found_by_location(
    truth: np.ndarray,
    predicted: np.ndarray,
    zones: np.ndarray,
    spacing_xyz: tuple[float, float, float],
    policy: Policy,
) -> dict[str, tuple[int, int]]:
    """True lesions of each location, and how many of them were found by any overlap.

    Args:
        truth, predicted: (z, y, x) bool; may be cut to a box that holds all their true voxels.
        zones: (z, y, x) uint8, what is near each voxel (``MSLesionSegLib.location.Zone``).
        spacing_xyz: voxel spacing in mm.
        policy: smallest lesion.

    Returns:
        Location -> (lesions, found). A lesion counts where its largest share lies.
    """
    labels = label_lesions(lesion_mask(truth.view(np.uint8), 0.5, policy.min_lesion_mm3, spacing_xyz))
    found = overlap_found(overlap_table(truth, predicted, spacing_xyz, policy))
    places = [one.main for one in lesion_locations(labels, zones)]
    return {
        place: (places.count(place), sum(hit for at, hit in zip(places, found.tolist(), strict=True) if at == place))
        for place in LOCATIONS
    }


def _found(rule: str, table: np.ndarray, policy: Policy) -> np.ndarray:
    if rule == "overlap":
        return overlap_found(table)
    if rule == "iou25":
        return iou_found(table, policy.iou)
    return msseg_found(table, policy.msseg_alpha, policy.msseg_beta, policy.msseg_gamma)
