"""Locations of lesions planted by construction in synthetic heads, and of real masks in a common space."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from MSLesionSegLib.anatomy import find_anatomy
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.head_shape import Head, Label, draw_parameters, head_labels
from MSLesionSegLib.lesions import label_lesions, lesion_mask
from MSLesionSegLib.location import LOCATIONS, lesion_locations
from MSLesionSegLib.location_zones import location_zones
from MSLesionSegLib.normalise import normalise
from MSLesionSegLib.prepare import prepare
from MSLesionSegLib.signal_model import SEQUENCES, synthesise
from MSLesionSegLib.study import read_study

pytestmark = pytest.mark.acceptance

HEADS, EACH = (201, 202, 203, 204), 8
"""Seeds that no setting was chosen on, and lesions a class in each head."""
HINDBRAIN = (Label.BRAIN_STEM, Label.CEREBELLAR_GREY, Label.CEREBELLAR_WHITE)


def distance(mask: np.ndarray) -> np.ndarray:
    return ndimage.distance_transform_edt(~mask)


def candidates(labels: np.ndarray, radius: float) -> dict[str, np.ndarray]:
    """Centres (bool) at which a ball of this radius lies where its name says: touching means a gap below 1 mm."""
    white = labels == Label.WHITE
    to_ventricle = distance(np.isin(labels, (Label.VENTRICLE, Label.CHOROID_PLEXUS)))
    to_cortex = distance(labels == Label.GREY)
    inside_hindbrain = ndimage.distance_transform_edt(np.isin(labels, HINDBRAIN))
    z = np.arange(labels.shape[0])[:, None, None]
    low = z < np.argwhere(labels == Label.CEREBELLAR_WHITE)[:, 0].max() - 5  # not in the midbrain's uppermost part
    return {
        "periventricular": white & (to_ventricle > radius) & (to_ventricle < radius + 1) & (to_cortex > radius + 4),
        "juxtacortical": white & (to_cortex > radius) & (to_cortex < radius + 1) & (to_ventricle > 15),
        "infratentorial": (inside_hindbrain > radius + 2) & low,
        "deep white matter": white & (to_cortex > radius + 4) & (to_ventricle > radius + 4) & (inside_hindbrain == 0),
    }


def planted(head: Head, rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """Numbered balls (z, y, x) and the place of each; they keep apart by 3 mm."""
    numbers, places = np.zeros(head.labels.shape, dtype=np.int32), []
    offsets = np.indices((13, 13, 13)) - 6
    for radius in (2.2, 3.5):
        ball = (offsets**2).sum(axis=0) <= radius**2
        for place, where in candidates(head.labels, radius).items():
            where[:8] = where[-8:] = where[:, :8] = where[:, -8:] = where[:, :, :8] = where[:, :, -8:] = False
            centres, done = np.argwhere(where), 0
            for centre in centres[rng.permutation(len(centres))[:400]]:
                around = tuple(slice(value - 6, value + 7) for value in centre)
                if done < EACH // 2 and not numbers[around].any():
                    places.append(place)
                    numbers[around][ball] = len(places)
                    done += 1
    return numbers, places


def located(seed: int, *, with_t1w: bool) -> list[tuple[str, str]]:
    """(place by construction, location found) of each planted lesion of one head."""
    rng = np.random.default_rng(seed)
    head = head_labels(rng, parameters=draw_parameters(rng))
    numbers, places = planted(head, rng)
    share = ndimage.gaussian_filter((numbers > 0).astype(np.float32), 0.5) * 0.7
    brain = head.brain()
    names = ("FLAIR", "T1w") if with_t1w else ("FLAIR",)
    channels = np.zeros((3, *brain.shape), dtype=np.float32)
    for index, name in enumerate(names):
        channels[index] = normalise(synthesise(head, SEQUENCES[name], rng, lesions=share, bias=0.05), brain)
    grid = Grid.of(head.image(brain.astype(np.uint8)))
    anatomy = find_anatomy(channels, brain, grid, (numbers > 0).astype(np.float32))
    found = lesion_locations(numbers, location_zones(anatomy, head.spacing_mm))
    return [(places[one.id - 1], one.main) for one in found]


@pytest.mark.parametrize("with_t1w", [True, False])
def test_planted_lesions_are_located_right(with_t1w):
    pairs = [pair for seed in HEADS for pair in located(seed, with_t1w=with_t1w)]
    for place in LOCATIONS:
        found = [at for by, at in pairs if by == place]
        print(place, len(found), {at: found.count(at) for at in LOCATIONS})
        assert len(found) >= 2 * len(HEADS)
        assert found.count(place) >= 0.95 * len(found)


def test_real_masks_have_shares_that_add_up_and_the_patient_of_high_load_is_mostly_periventricular(data_dir):
    """29 masks in MNI space on the anatomy of patient 19: only that patient's own is read for its places."""
    images = data_dir / "cross-sectional" / "sub-19" / "anat"
    flair, t1w, t2w = (next(images.glob(f"*_{name}.nii.gz")) for name in ("FLAIR", "T1w", "T2w"))
    prepared = prepare(read_study(flair, t1w, t2w))
    own = mask_on(prepared.grid, data_dir, "19")
    anatomy = find_anatomy(prepared.channels, prepared.brain, prepared.grid, own.astype(np.float32))
    zones = location_zones(anatomy, 1.0)
    volumes = {}
    for folder in sorted((data_dir / "cross-sectional" / "derivatives" / "consensus").iterdir()):
        mask = mask_on(prepared.grid, data_dir, folder.name[4:])
        numbers = label_lesions(lesion_mask(mask.astype(np.float32), 0.5))
        sizes = np.bincount(numbers.ravel())
        found = lesion_locations(numbers, zones)
        assert all(sum(round(1000 * share) for share in one.shares.values()) == 1000 for one in found)
        volumes[folder.name] = {
            place: sum(one.shares[place] * sizes[one.id] / 1000.0 for one in found) for place in LOCATIONS
        }
    assert len(volumes) == 29
    assert max(LOCATIONS, key=volumes["sub-19"].get) == "periventricular"
    assert volumes["sub-19"]["periventricular"] == pytest.approx(34.9, abs=1.0)


def mask_on(grid: Grid, data_dir: Path, number: str) -> np.ndarray:
    file = next((data_dir / "cross-sectional/derivatives/consensus" / f"sub-{number}").rglob("*_mask.nii.gz"))
    image = sitk.ReadImage(str(file))
    target = grid.image(np.zeros(grid.shape, dtype=np.uint8))
    return sitk.GetArrayFromImage(sitk.Resample(image, target, sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
