"""The brain of a synthetic head: folded cortex, white matter, nuclei, ventricles, cerebellum, brain stem."""

import numpy as np
from scipy import ndimage

from .head_parts import Ball, Tube, paint
from .head_shape import Frame, HeadParameters, Label
from .implicit import band_noise, ellipsoid, smooth_intersection, smooth_noise, smooth_union, tube, upsample_linear

CANAL = [(0, -26, -20), (0, -29, -38), (0, -40, -56), (0, -46, -78), (0, -48, -170)]
BRAIN_LOW, BRAIN_HIGH = (-74.0, -110.0, -78.0), (74.0, 76.0, 84.0)


def draw_brain(frame: Frame, parameters: HeadParameters, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw all that lies inside the brain's surface.

    Args:
        frame: head coordinates of the grid.
        parameters: the anatomy.
        rng: source of the folding and of small variations.

    Returns:
        (signed distance to the inner surface of the skull in mm, positive inside, float32 (z, y, x);
        labels uint8 (z, y, x), 0 outside the brain).
    """
    labels = np.zeros(frame.shape, np.uint8)
    box = frame.box(BRAIN_LOW, BRAIN_HIGH, margin=10.0)
    x, y, z = frame.x[box], frame.y[box], frame.z[box]
    out = labels[box]
    ax = np.abs(x)
    cerebrum = _cerebrum(ax, y, z)
    cerebellum = _cerebellum(ax, x, y, z)
    stem = _brain_stem(x, y, z)
    cavity = _cavity(frame, parameters)

    _draw_cerebellum(out, ax, y, z, cerebellum - parameters.atrophy_mm, rng, frame.spacing)
    _draw_cortex(out, x, y, z, cerebrum, frame.spacing, parameters, rng)
    out[(stem > 0) & (cerebellum < 9)] = Label.BRAIN_STEM
    midbrain_gap = (cerebrum > 0) & (out == Label.AIR)
    out[midbrain_gap] = Label.SULCAL_CSF
    paint(labels, frame, _deep_parts(parameters, rng))
    return cavity, labels


def _cerebrum(ax: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Signed distance to the smooth hull of the cerebrum, before the fissures are cut."""
    upper = ellipsoid(ax, y, z, (0, -17, 14), (69, 89, 65))
    narrow_front = (76.0 - 0.62 * np.clip(y + 5.0, 0, None) - ax) * np.float32(0.85)
    upper = smooth_intersection(upper, narrow_front, 14.0)
    back = np.clip((-20.0 - y) / 25.0, 0.0, 1.0)
    front = -19.0 + 0.10 * ax
    floor = front + back * (_tentorium(ax, y) - front)
    upper = smooth_intersection(upper, (z - floor) * np.float32(0.95), 7.0)
    tilt = z - 0.18 * (y + 14.0)
    temporal = ellipsoid(ax - 0.10 * (20.0 - y).clip(0, 20), y, tilt, (44, -16, -19), (22, 42, 23))
    return smooth_union(upper, temporal, 5.0)


def _cerebellum(ax: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    halves = ellipsoid(ax, y, z, (22, -64, -34), (30, 29, 26))
    vermis = ellipsoid(x, y, z, (0, -60, -29), (13, 24, 25))
    below = _tentorium(ax, y) - 1.5 - z
    return smooth_intersection(smooth_union(halves, vermis, 6.0), below, 4.0)


def _tentorium(ax: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of the tentorium in mm: highest at its notch, falling to the sides and to the back."""
    return -4.0 - 0.26 * ax - 0.28 * np.clip(-50.0 - y, 0.0, None)


def _brain_stem(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    midbrain = tube(x, y, z, [(0, -20, -2), (0, -26, -18)], [15, 14], (1.15, 0.9, 1.0))
    pons = ellipsoid(x, y, z, (0, -27, -32), (18, 13.5, 14.5))
    medulla = tube(x, y, z, [(0, -31, -40), (0, -40, -54), (0, -44, -72)], [9.5, 8.5, 6.5], (1.1, 0.95, 1.0))
    peduncle = tube(np.abs(x), y, z, [(10, -32, -33), (20, -52, -36)], [8, 8])
    return smooth_union(smooth_union(smooth_union(midbrain, pons, 5.0), medulla, 5.0), peduncle, 3.0)


def _cavity(frame: Frame, parameters: HeadParameters) -> np.ndarray:
    """Signed distance to the inner surface of the skull, over the whole grid."""
    x, y, z = frame.x, frame.y, frame.z
    ax = np.abs(x)
    around = parameters.csf_mm
    brain = smooth_union(_cerebrum(ax, y, z), _cerebellum(ax, x, y, z), 14.0)
    canal = tube(x, y, z, CANAL, [17, 16, 12, 9, 8])
    return smooth_union(brain, canal - around - 1.0, 10.0) + np.float32(around)


def _fold(shape: tuple, spacing: float, coordinates: list, depth: np.ndarray, p: HeadParameters, rng) -> np.ndarray:
    """Distance (mm) to the nearest sulcus: zero sheets of a labyrinth on the surface, carried inwards."""
    factor = max(round(2.0 / spacing), 1)
    x, y, z, hull = (c[::factor, ::factor, ::factor] for c in (*coordinates, depth))
    step = spacing * factor
    u, v, w = x / 69.0, (y + 17.0) / 87.0, (z - 8.0) / 68.0
    radius = np.clip(np.sqrt(u * u + v * v + w * w), 0.35, None)
    pull = radius**-0.6
    lattice = 3.0
    field = band_noise(rng, (64, 72, 64), 2.0 * p.gyrus_mm / lattice)
    sway = [smooth_noise(rng, x.shape, step, 11.0) * np.float32(2.2) for _ in range(3)]
    where = [
        (s * pull + d) * np.float32(1.0 / lattice) + 32.0
        for s, d in zip((z - 8.0, y + 17.0, x * 1.0), sway, strict=True)
    ]
    value = ndimage.map_coordinates(field, where, order=2, mode="grid-wrap", prefilter=True).astype(np.float32)
    slope = np.sqrt(sum(g * g for g in np.gradient(value, step)))
    slope = np.maximum(slope, np.float32(0.8) * np.float32(np.median(slope)))
    sheet = upsample_linear(value / slope, shape, 1.0 / factor)
    outer = upsample_linear(np.clip((radius - 0.42) / 0.28, 0.15, 1.0), shape, 1.0 / factor)
    reach = p.sulcus_depth_mm * np.clip(1.0 + 0.3 * smooth_noise(rng, shape, spacing, 18.0), 0.3, 1.25) * outer
    below = np.clip(depth - np.clip(reach, 1.5, None), 0.0, None)
    return np.sqrt(sheet * sheet + below * below)


def _callosum(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Signed distance in the midsagittal plane to the outer contour of the corpus callosum, positive inside."""
    u, w = (y + 6.0) / 38.0, (z - 4.0) / 26.0
    k0 = np.sqrt(u * u + w * w) + 1e-4
    return k0 * (1 - k0) / np.sqrt((u / 38.0) ** 2 + (w / 26.0) ** 2 + 1e-8)


def _fissures(ax: np.ndarray, y: np.ndarray, z: np.ndarray, arc: np.ndarray) -> np.ndarray:
    """Distance (mm) to the interhemispheric fissure and to the Sylvian fissure with the insular cistern."""
    midline = np.sqrt(ax * ax + np.clip(arc, 0.0, None) ** 2)
    rise = -5.0 - 0.42 * y
    along = np.clip(np.abs(y + 12.0) - 33.0, 0.0, None)
    lateral = np.sqrt(((z - rise) * 0.9) ** 2 + np.clip(39.0 - ax, 0.0, None) ** 2 + along**2)
    high = np.clip(np.abs(z - rise - 2.0) - 10.0, 0.0, None)
    ends = np.clip(np.abs(y + 4.0) - 20.0, 0.0, None)
    insula = np.sqrt((ax - 40.0 + 0.02 * (z - rise) ** 2) ** 2 + high**2 + ends**2)
    return np.minimum(midline - 0.3, np.minimum(lateral, insula) - 0.5)


def _draw_cortex(out, x, y, z, hull, spacing, p: HeadParameters, rng) -> None:
    bend = [smooth_noise(rng, x.shape, spacing, 16.0) for _ in range(2)]
    side = np.abs(x + p.asymmetry_mm * smooth_noise(rng, x.shape, spacing, 30.0))
    away = np.clip(side / 20.0 - 0.5, 0.0, 1.0)
    arc = _callosum(y, z)
    cut = _fissures(side + 1.6 * away * bend[0], y, z + 2.2 * away * bend[1], arc)
    depth = np.minimum(hull, cut + 0.3)
    sulcus = _fold(x.shape, spacing, [x, y, z], depth, p, rng)
    width = 0.28 + p.atrophy_mm * 0.6 + np.clip(0.85 - 0.10 * depth, 0.0, None)
    width *= 1.0 + 0.25 * smooth_noise(rng, x.shape, spacing, 25.0)
    pia = np.minimum(np.minimum(hull - p.atrophy_mm * 0.7, cut - 0.4 - p.atrophy_mm * 0.6), sulcus - width)
    thickness = p.cortex_mm * (1.0 + 0.14 * smooth_noise(rng, x.shape, spacing, 9.0))
    inside = hull > 0
    core = (ellipsoid(x, y, z, (0, -14, -6), (17, 22, 18)) > 0) | ((arc > 0.5) & (side < 16))
    out[inside] = Label.WHITE
    out[inside & (pia < thickness) & ~core] = Label.GREY
    out[inside & (pia < 0) & ~core] = Label.SULCAL_CSF


def _draw_cerebellum(out, ax, y, z, hull, rng, spacing: float) -> None:
    """Folia: thin leaves turning about the fourth ventricle, grey with a white core and CSF between their tips."""
    bend = smooth_noise(rng, ax.shape, spacing, 14.0)
    angle = np.arctan2(z + 38.0, -(y + 40.0) + 0.35 * ax)
    reach = np.sqrt((z + 38.0) ** 2 + (y + 40.0) ** 2 + 0.2 * ax * ax)
    leaf = np.cos(np.float32(2 * np.pi / 0.19) * (angle + 0.035 * bend + 0.002 * reach))
    inside = hull > 0
    out[inside] = Label.CEREBELLAR_GREY
    branch = (leaf > 0.72) & (hull > 3.0)
    out[inside & (branch | (hull > 10.0 + 1.5 * bend))] = Label.CEREBELLAR_WHITE
    out[inside & (leaf < -0.86) & (hull < 7.0 + 2.0 * bend)] = Label.SULCAL_CSF


def _deep_parts(p: HeadParameters, rng: np.random.Generator) -> list[Ball | Tube]:
    """Nuclei, ventricles, septum and choroid plexus, in the order of painting."""
    v = p.ventricles**0.6
    putamen, thalamus, caudate = rng.uniform(0.92, 1.08, 3)
    tissue = (Label.WHITE, Label.GREY, Label.BRAIN_STEM)
    grey, fluid, centre = Label.DEEP_GREY, Label.VENTRICLE, Label.CENTRAL_VENTRICLE

    def wide(*radii: float) -> tuple[float, ...]:
        return tuple(r * v for r in radii)

    tail = ((13.5, 20, 3), (14.5, 10, 11), (17, -6, 19), (20, -24, 20))
    hippocampus = ((24, -4, -20), (28, -18, -18), (27, -34, -8))
    body = ((9, 31, 5), (8.5, 18, 12), (8, 0, 20.5), (10, -18, 21.5), (17, -34, 17))
    back = ((17, -34, 17), (25, -42, 10), (26, -58, 8), (23, -76, 6))
    temporal = ((25, -42, 10), (33, -34, -7), (33, -20, -17), (29, -7, -21))
    return [
        Ball(grey, (24.4, 3, 3), (6.5 * putamen, 19, 11), lean=0.22, onto=tissue),
        Ball(Label.PALLIDUM, (19.0, -3, 1), (4.5, 10, 7), lean=0.22, onto=(*tissue, grey)),
        Ball(grey, (10.5, -18, 8), (8.5 * thalamus, 15, 9), lean=0.35, onto=tissue),
        Tube(grey, tail, (7.5 * caudate, 6.5, 3.6, 2.0), onto=tissue),
        Tube(grey, hippocampus, (6.0, 4.5, 3.0), onto=tissue),
        Tube(fluid, body, wide(3.0, 4.4, 4.0, 4.0, 5.2), (1.5, 1.0, 0.95)),
        Tube(fluid, back, wide(5.2, 6.2, 3.6, 1.4), (0.9, 1.0, 1.25)),
        Tube(fluid, temporal, wide(5.5, 2.8, 2.2, 3.0)),
        Ball(Label.WHITE, (0, 8, 12), (0.8, 60, 60), paired=False, onto=(fluid,)),
        Ball(centre, (0, -11, -1), (2.0 * v + 0.5, 15, 11), paired=False),
        Tube(centre, ((0, -25, 0), (0, -35, -16), (0, -41, -25)), (1.2, 1.0, 1.4), paired=False),
        Ball(centre, (0, -43, -34), (7.0 * v, 4.6 * v, 12), paired=False),
        Tube(Label.CHOROID_PLEXUS, ((15, -28, 17), (23, -41, 10)), (1.6, 2.6), onto=(fluid,)),
    ]
