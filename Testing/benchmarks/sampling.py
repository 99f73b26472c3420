"""Drawing patches: how long a centre takes, and how many patches a second a loader delivers, beside MONAI."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from monai import transforms as mt
from monai.data import CacheDataset
from torch.utils.data import DataLoader, Dataset

from MSLesionSegLib.networks import build_network
from MSLesionSegLib.networks.efficientnet3d_unet import preset_architecture
from MSLesionSegTrainingLib.case_index import index_case, load_index, save_index
from MSLesionSegTrainingLib.case_loading import load_shapes
from MSLesionSegTrainingLib.losses import LOSSES
from MSLesionSegTrainingLib.painting import measure_levels
from MSLesionSegTrainingLib.patches import PatchDataset, PatchRecipe
from MSLesionSegTrainingLib.prepared_cache import PreparedCache
from MSLesionSegTrainingLib.samplers import make_sampler

from .data import data_folder, labelled_canvas
from .rows import Row

PATIENTS = ("sub-07", "sub-19")
PATCH = 64
BATCH = 2
WORKERS = 2
PATCHES = 60
ROUNDS = 3
DRAWS = 5000
CROP_KEYS = ("image", "label")
AS_THE_PEER = PatchRecipe(patch=PATCH, tissue=0, painted=0, grey=0, blobs=0, grown=0, plexus=0)
"""Nothing painted, no bright cortex or fluid; an imperfect brain edge, a shifted or missing contrast stay in."""


def sampler_draw() -> list[Row]:
    """Microseconds of a draw of the lesion-aware sampler, beside MONAI's draw with and without indices made before.

    Only the draw is timed: ``RandCropByPosNegLabeld.randomize``, which chooses the centre, without the crop.
    """
    root = data_folder() / "cross-sectional"
    patient = PATIENTS[1]
    images = [_read(root / patient / "anat" / f"{patient}_space-MNI_{name}.nii.gz") for name in ("FLAIR", "T1w", "T2w")]
    lesion = _read(root / f"derivatives/consensus/{patient}/anat/{patient}_space-MNI_label-lesion_mask.nii.gz") > 0
    brain = (images[0] > 0) | lesion
    flair = (images[0] - images[0][brain].mean()) / images[0][brain].std()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        save_index(Path(folder) / "index.npy", index_case(flair, brain, lesion))
        building = time.perf_counter() - began
        index = load_index(Path(folder) / "index.npy")
    sampler, rng = make_sampler("lesion", PATCH), np.random.default_rng(0)
    case = {"image": torch.from_numpy(np.stack(images)), "label": torch.from_numpy(lesion[None].astype(np.uint8))}
    crop = mt.RandCropByPosNegLabeld(CROP_KEYS, "label", PATCH)
    crop.set_random_state(0)
    indexed = mt.FgBgToIndicesd("label")(case)
    places = {"fg_indices": indexed["label_fg_indices"], "bg_indices": indexed["label_bg_indices"]}
    ours, uncached, cached = _best(
        partial(sampler.draw, rng, index),
        partial(crop.randomize, case["label"]),
        partial(crop.randomize, case["label"], **places),
        calls=(DRAWS, 3, DRAWS),
    )
    data = f"{patient} of the cross-sectional set, three contrasts of {'x'.join(map(str, reversed(brain.shape)))}"
    details = {"index_s": round(building, 2), "sampler": "lesion", "rounds": f"best of {ROUNDS}, interleaved"}
    row = partial(Row, "sampler_draw", unit="us", data=data, details=details, ours=round(1e6 * ours, 2))
    return [
        row(what="centre, beside RandCropByPosNegLabeld", peer=round(1e6 * uncached, 2)),
        row(what="centre, beside the same with FgBgToIndicesd made before", peer=round(1e6 * cached, 2)),
    ]


def patches_per_second() -> list[Row]:
    """Patches a second from a loader of two workers beside MONAI's CacheDataset, without and with a network.

    The peer has what MONAI has a transform for, with our probabilities. Ours does the same once, and once as a training
    does: lesions painted, unevenly bright cortex, bright fluid, for which the peer has nothing. The network is the
    training step of the preset ``small`` in this process, so that the workers share the cores with it.
    """
    canvases = [labelled_canvas(patient) for patient in PATIENTS]
    with tempfile.TemporaryDirectory() as folder:
        masks = sorted((data_folder() / "cross-sectional/derivatives/consensus").glob("sub-*/anat/*_mask.nii.gz"))
        shapes = [shape for mask in masks if (shape := load_shapes(PreparedCache(Path(folder)), mask)) is not None]
        levels, sampler = measure_levels(canvases), make_sampler("lesion", PATCH)
        whole = PatchDataset(canvases, shapes, levels, PatchRecipe(patch=PATCH), sampler, 0, PATCHES)
        same = PatchDataset(canvases, [], levels, AS_THE_PEER, sampler, 0, PATCHES)
        cases = [{"image": c.channels.numpy().astype(np.float32), "label": c.lesion.numpy()} for c in canvases]
        cached = partial(CacheDataset, cases * (PATCHES // len(cases)), _peer_transforms(), progress=False)
        loaders = {"same": same, "whole": whole, "peer": cached(), "peer_with_copy_cache_off": cached(copy_cache=False)}
        alone = _rates(loaders, lambda batch: None)
        trained = _rates(loaders, _training_step())
    data = f"{' and '.join(PATIENTS)} of the cross-sectional set, cropped to the brain; {len(shapes)} masks to paint"
    rows = []
    for with_network, rates in (("", alone), (", with a network that trains on them", trained)):
        for arm, words in (("same", "the peer's transforms"), ("whole", "the whole recipe, lesions painted")):
            details = {
                "peer": "MONAI CacheDataset, RandCropByPosNegLabeld with FgBgToIndicesd, corresponding transforms",
                "peer_with_copy_cache_off": round(rates["peer_with_copy_cache_off"], 2),
                "rounds": f"best of {ROUNDS} of {PATCHES} patches, interleaved",
            }
            rows.append(
                Row(
                    "patches_per_second",
                    f"patches of {PATCH} voxels cubed from a DataLoader of {WORKERS} workers: {words}{with_network}",
                    round(rates[arm], 2),
                    "1/s",
                    data,
                    peer=round(rates["peer"], 2),
                    better="higher",
                    details=details,
                )
            )
    return rows


def _training_step() -> Callable[[Any], None]:
    """A function that trains a network of the preset ``small`` on a batch, ours or the peer's (a list of a dict)."""
    network = build_network(preset_architecture("small"))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)

    def step(batch: Any) -> None:
        images, labels = (batch[0][key] for key in CROP_KEYS) if len(batch) == 1 else batch
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(images)
        loss = LOSSES["dice-ce"](logits.float(), (labels > 0.5).float())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def _peer_transforms() -> mt.Compose:
    """MONAI's transforms that correspond to ours, with the probabilities of ours."""
    turn = {"rotate_range": (np.deg2rad(20),) * 3, "scale_range": (0.15,) * 3}
    both = {"keys": CROP_KEYS, "mode": ("bilinear", "nearest"), "padding_mode": "zeros"}
    image = "image"
    return mt.Compose(
        [
            mt.EnsureTyped(CROP_KEYS, track_meta=False),
            mt.FgBgToIndicesd("label"),
            mt.RandCropByPosNegLabeld(
                CROP_KEYS, "label", PATCH, fg_indices_key="label_fg_indices", bg_indices_key="label_bg_indices"
            ),
            mt.RandFlipd(CROP_KEYS, prob=0.5, spatial_axis=2),
            mt.RandAffined(**both, prob=1.0, **turn),
            mt.Rand3DElasticd(**both, prob=0.5, sigma_range=(6, 8), magnitude_range=(50, 150)),
            mt.RandSimulateLowResolutiond(image, prob=0.35, zoom_range=(0.25, 0.7)),
            mt.RandGaussianSmoothd(image, (0.3, 0.8), (0.3, 0.8), (0.3, 0.8), prob=0.13),
            mt.RandBiasFieldd(image, prob=0.5),
            mt.RandAdjustContrastd(image, prob=1.0, gamma=(0.75, 1.35)),
            mt.RandScaleIntensityd(image, 0.12, prob=1.0, channel_wise=True),
            mt.RandShiftIntensityd(image, 0.15, prob=1.0, channel_wise=True),
            mt.RandGaussianNoised(image, prob=1.0, std=0.1),
        ]
    )


def _rates(datasets: dict[str, Dataset], use: Callable[[Any], None]) -> dict[str, float]:
    """Patches a second of each, the best of interleaved rounds, each batch handed to ``use``."""
    rates = dict.fromkeys(datasets, 0.0)
    for _ in range(ROUNDS):
        rates = {name: max(rates[name], _rate(dataset, use)) for name, dataset in datasets.items()}
    return rates


def _rate(dataset: Dataset, use: Callable[[Any], None]) -> float:
    """Patches a second, from the first batch that arrives to the last that was used."""
    batches = iter(DataLoader(dataset, BATCH, num_workers=WORKERS))
    use(next(batches))
    began, count = time.perf_counter(), 0
    for batch in batches:
        use(batch)
        count += BATCH
    return count / (time.perf_counter() - began)


def _best(*work: Callable[[], object], calls: tuple[int, ...]) -> list[float]:
    """Seconds of one call of each, the best of interleaved rounds."""
    best = [np.inf] * len(work)
    for _ in range(ROUNDS):
        for number, (function, times) in enumerate(zip(work, calls, strict=True)):
            began = time.perf_counter()
            for _ in range(times):
                function()
            best[number] = min(best[number], (time.perf_counter() - began) / times)
    return best


def _read(file: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
