"""The report of a study as Markdown: the paper's table and the field's, effects, cost, curves, overlays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .evaluation.columns import Column, columns
from .evaluation.policy import Policy
from .study_figures import CONVERGENCE_FILE, OVERFITTING_FILE, Curves
from .study_settings import ARMS, Arm, StudySettings
from .study_split import StudyPatients
from .study_summary import EFFECT_COLUMNS, arm_name
from .study_watch import PATCHES

PAPER = ("dice", "precision", "recall", "specificity", "accuracy")
FIELD = (
    "overlap_f1",
    "overlap_recall",
    "overlap_precision",
    "iou25_f1",
    "msseg_f1",
    "ndsc",
    "hd95_mm",
    "volume_error_ml",
    "volume_error_abs_ml",
    "false_positives",
    "ece",
)
_EFFECTS = {
    "network": "EfficientNet3D-UNet - 3D U-Net, mean over both samplers",
    "sampler": "lesion-aware - uniform, mean over both networks",
    "interaction": "gain by the lesion-aware sampler of EfficientNet3D-UNet - that of 3D U-Net",
}
_FEW = 20


def report(
    settings: StudySettings,
    patients: StudyPatients,
    brains: Mapping[str, str],
    summary: Mapping[str, Any],
    curves: Curves,
    overlays: Mapping[str, str],
    licence: str,
) -> str:
    """The text of ``study.md``.

    Args:
        settings: of the study.
        patients: who was in which part.
        brains: painted test patient -> whose brain it is.
        summary: as ``summary.json`` holds it.
        curves: the epochs of each run.
        overlays: file -> what it shows.
        licence: name and licence of the data set.
    """
    policy = Policy()
    groups = summary["groups"]
    parts = [
        "# Network and sampler, compared two by two",
        "For research use only. Written by `mslesionseg study`; figures of the same data and settings repeat.",
        _what_was_done(settings, patients, brains, licence),
    ]
    if "painted" in groups:
        count = len(groups["painted"]["cases"])
        parts += [
            f"## Painted test patients ({count})",
            "Lesions of test patients painted into brains of test patients: shapes and brains that no training saw, "
            "with an exact mask. They look like what training paints, so they tell the arms apart and say little about "
            f"real images. Mean and {100 * policy.level:g} % bootstrap interval over the {count} patients whose shapes "
            f"they are; these lie in {len(set(brains.values()))} brains.",
            "### The paper's table",
            _arm_table(groups["painted"], PAPER, policy),
            "### The field's table",
            _arm_table(groups["painted"], FIELD, policy),
            "### What the network and what the sampler changes",
            "Differences within each patient; an interval that holds 0 tells no difference.",
            _effect_table(groups["painted"], policy),
        ]
    if "real" in groups:
        count = len(groups["real"]["cases"])
        note = "**Far too few to say how well an arm works.**" if count < _FEW else ""
        parts += [
            f"## Real test patients ({count})",
            f"Each by its figures, on the 1 mm grid of the model, without an interval. {note}".strip(),
            *(_case_table(groups["real"], case, policy) for case in groups["real"]["cases"]),
        ]
    parts += [
        "## Cost",
        _cost_table(summary["runs"], settings),
        "## Convergence",
        f"Fixed patches are {PATCHES} of patients who are trained on (seen) and {PATCHES} of others (unseen), neither "
        "deformed nor varied, the same for all runs; Dice over all their voxels at threshold 0.5. The training loss is "
        "on each run's own patches and compares runs of one sampler only.",
        f"![convergence]({CONVERGENCE_FILE})",
        "## Over-fitting",
        f"![over-fitting]({OVERFITTING_FILE})",
        _gap_table(curves, summary["runs"]),
    ]
    if overlays:
        parts += ["## Overlays", *(f"![{text}]({file})" for file, text in overlays.items())]
    parts += [
        "## What is counted",
        "\n".join(f"- **{name}**: {text}" for name, text in policy.sentences().items()),
    ]
    return "\n\n".join(parts) + "\n"


def _what_was_done(settings: StudySettings, patients: StudyPatients, brains: Mapping[str, str], licence: str) -> str:
    steps = settings.epochs * settings.epoch_steps
    lines = [
        f"- Data: {licence}.",
        *(f"- {part.capitalize()}: {_members(patients, part)}." for part in ("train", "validation", "test")),
        f"- EfficientNet3D-UNet: preset `{settings.preset}`. 3D U-Net: MONAI's BasicUNet, {settings.unet_width} "
        "channels at full resolution, instance normalisation.",
        f"- Each run: {steps} steps of {settings.batch} patches of {settings.patch} voxels a side, "
        f"{steps * settings.batch} patches in all; AdamW, peak learning rate {settings.learning_rate:g}, cosine; "
        "running mean of the weights after the last step, no epoch chosen. Painting, deformation and variation are the "
        "same for all arms; only where the patches lie differs.",
        f"- Seeds: {settings.seeds}. With several, a patient's score is the mean over them.",
        "- Threshold: of each run by its validation patients (highest mean of Dice and lesion F1); "
        "0.5 where nobody validates.",
    ]
    return "\n".join(lines)


def _members(patients: StudyPatients, part: str) -> str:
    def of(names: set[str]) -> str:
        return ", ".join(sorted(name for name in names if patients.parts[name] == part)) or "none"

    imaged = of({case.patient for case in patients.cases})
    return f"images of {imaged}; lesion shapes of {of(set(patients.shapes))}; tissue maps of {of(set(patients.tissue))}"


def _arm_table(group: Mapping[str, Any], names: Sequence[str], policy: Policy) -> str:
    shown = _columns(names, policy)
    rows = [
        (arm.title, *(_estimate(group["arms"][arm_name(arm)][column.name], column) for column in shown)) for arm in ARMS
    ]
    return _table(("arm", *(column.meaning for column in shown)), rows)


def _effect_table(group: Mapping[str, Any], policy: Policy) -> str:
    shown = _columns(EFFECT_COLUMNS, policy)
    rows = [
        (text, *(_estimate(group["effects"][effect][column.name], column, "+") for column in shown))
        for effect, text in _EFFECTS.items()
    ]
    return _table(("effect", *(column.meaning for column in shown)), rows)


def _case_table(group: Mapping[str, Any], case: str, policy: Policy) -> str:
    shown = _columns((*PAPER, *FIELD), policy)
    load = next(iter(group["values"]["load_ml"].values()))[case]
    rows = [
        (arm.title, *(_value(group["values"][column.name][arm_name(arm)][case], column) for column in shown))
        for arm in ARMS
    ]
    return f"### {case}, load {load:.1f} mL\n\n" + _table(("arm", *(column.meaning for column in shown)), rows)


def _cost_table(runs: Mapping[str, Any], settings: StudySettings) -> str:
    rows = [
        (
            run.arm.title,
            str(run.seed),
            f"{runs[run.name]['weights'] / 1e6:.2f}",
            str(runs[run.name]["patches"]),
            f"{runs[run.name]['seconds'] / 60:.1f}",
            f"{runs[run.name]['threshold']:g}",
        )
        for run in settings.runs
    ]
    return _table(("arm", "seed", "million weights", "patches seen", "training, min", "threshold"), rows)


def _gap_table(curves: Curves, runs: Mapping[str, Any]) -> str:
    rows = []
    for arm, of_arm in curves.items():
        for seed, epochs in enumerate(of_arm):
            last, best = epochs[-1], max(epochs, key=lambda row: row.unseen_dice)
            trained = runs[f"{arm_name(arm)}_seed-{seed}"]["trained"]
            told = ", ".join(f"{case} {row['dice']:.3f}" for case, row in trained.items())
            rows.append(
                (
                    arm.title,
                    str(seed),
                    f"{last.seen_loss:.3f}",
                    f"{last.unseen_loss:.3f}",
                    f"{last.seen_dice:.3f}",
                    f"{last.unseen_dice:.3f}",
                    f"{last.seen_dice - last.unseen_dice:+.3f}",
                    str(best.epoch),
                    told,
                )
            )
    head = ("arm", "seed", "loss, seen", "loss, unseen", "Dice, seen", "Dice, unseen", "gap", "best epoch, unseen")
    return _table((*head, "Dice of training patients"), rows)


def _columns(names: Sequence[str], policy: Policy) -> list[Column]:
    by_name = {column.name: column for column in columns(policy)}
    return [by_name[name] for name in names]


def _estimate(score: Mapping[str, Any], column: Column, sign: str = "") -> str:
    if score["mean"] is None:
        return "-"
    mean = _value(score["mean"], column, sign)
    ends = score["mean_interval"]
    return mean if ends is None else f"{mean} ({' to '.join(_value(end, column, sign) for end in ends)})"


def _value(value: float | None, column: Column, sign: str = "") -> str:
    if value is None:
        return "-"
    decimals = {None: 1, 6: 4}.get(column.decimals, 3)
    return f"{round(value, decimals) + 0.0:{sign}.{decimals}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def arm_titles(arms: Sequence[Arm]) -> list[str]:
    """Titles of arms, broken for narrow pictures."""
    return [arm.title.replace(", ", ",\n") for arm in arms]
