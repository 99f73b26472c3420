"""The review in Slicer: how long a reader waits after a click in the table and after a move of the threshold.

Runs on the test host: real MRML, real slice views of 512 x 512 pixels drawn off screen in software, no desktop.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import SimpleITK as sitk

from .rows import Row

SHAPE = (182, 218, 182)
LESIONS = 500
DECIDED = 200
REPEATS = 10
PIXELS = 512
DATA = f"{LESIONS} made-up lesions on 182x218x182 voxels, 1 mm; three slice views of 512x512 drawn in software"


def review() -> list[Row]:
    """Click in the table to view centred and outlined, and threshold move to mask shown."""
    from Testing.host.start import start_host

    host = start_host()
    from MSLesionSegScene import layouts
    from MSLesionSegScene.review import Review

    with tempfile.TemporaryDirectory() as folder:
        state = _loaded(host.scene, Path(folder))
        subject = Review(host.scene, state)
        views = [_View(name) for name in ("Red", "Yellow", "Green")]
        for view in views:
            view.show(state.flair)
        began = time.perf_counter()
        keys = [row.key for row in subject.rows()]
        measured = time.perf_counter() - began

        def choose(number: int) -> None:
            subject.centre_views(keys[number * 7])
            layouts.outline(host.scene, state, keys[number * 7])
            _draw(views)

        def move(number: int) -> None:
            subject.set_threshold(0.4 + 0.02 * number)
            _draw(views)

        choose(0)  # the first picture also starts the graphics
        click = _times(choose)
        free = _times(move)
        subject.set_threshold(0.5)
        for row in subject.rows()[:DECIDED]:
            subject.decide(row.key, "rejected" if row.id % 3 == 0 else "accepted")
        decided = _times(move)
    return [
        Row(
            "review",
            "click in the table to view centred and outlined",
            click.waited,
            "s",
            DATA,
            details={"worst_s": click.worst, "cpu_s": click.cpu, "measuring_all_rows_s": round(measured, 2)},
        ),
        Row(
            "review",
            "threshold move to mask shown",
            free.waited,
            "s",
            DATA,
            details={
                "worst_s": free.worst,
                "cpu_s": free.cpu,
                f"with_{DECIDED}_decided_s": decided.waited,
                f"with_{DECIDED}_decided_cpu_s": decided.cpu,
            },
        ),
    ]


def _loaded(scene: Any, folder: Path) -> Any:
    """The state of a scene with the made-up result in it."""
    from Testing.slicer.scene_results import add_volume, write_result

    from MSLesionSegScene.result_nodes import load_result
    from MSLesionSegScene.state import ModuleState

    rng = np.random.default_rng(0)
    flair = sitk.GetImageFromArray(rng.integers(0, 900, SHAPE).astype(np.int16))
    flair.SetOrigin((-90.0, -109.0, -91.0))
    state = ModuleState(scene)
    state.flair = add_volume(scene, flair, "FLAIR")
    state.flair.CreateDefaultDisplayNodes()
    load_result(scene, state, write_result(folder / "result", flair, _probability(rng)))
    return state


def _probability(rng: np.random.Generator) -> np.ndarray:
    """Balls with soft edges on a jittered lattice, (z, y, x); radii 1.5 to 5 mm, peaks 0.65 to 1."""
    probability = np.zeros(SHAPE, np.float32)
    places = np.stack(np.meshgrid(*(np.linspace(16, n - 17, 8) for n in SHAPE), indexing="ij"), -1).reshape(-1, 3)
    offset = np.indices((17,) * 3).transpose(1, 2, 3, 0) - 8
    for place in places[:LESIONS]:
        corner = np.rint(place + rng.uniform(-2, 2, 3)).astype(int) - 8
        ball = 1.0 / (1.0 + np.exp((np.linalg.norm(offset, axis=-1) - rng.uniform(1.5, 5.0)) / 0.4))
        box = tuple(slice(start, start + 17) for start in corner)
        probability[box] = np.maximum(probability[box], (ball * rng.uniform(0.65, 1.0)).astype(np.float32))
    return probability


class _View:
    """A slice view with its image and the segmentations' displayable manager, drawn off screen."""

    def __init__(self, name: str) -> None:
        import slicer
        import vtk

        widget = slicer.app.layoutManager().sliceWidget(name)
        self._logic, node = widget.sliceLogic(), widget.mrmlSliceNode()
        self._composite = widget.mrmlSliceCompositeNode()
        node.SetMappedInLayout(1)
        self._logic.ResizeSliceNode(PIXELS, PIXELS)
        self._window, self._renderer = vtk.vtkRenderWindow(), vtk.vtkRenderer()
        self._window.SetOffScreenRendering(True)
        self._window.SetMultiSamples(0)
        self._window.SetSize(PIXELS, PIXELS)
        self._window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._mapper, actor = vtk.vtkImageMapper(), vtk.vtkActor2D()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        actor.SetMapper(self._mapper)
        self._renderer.AddViewProp(actor)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        if not factory.IsDisplayableManagerRegistered("vtkMRMLSegmentationsDisplayableManager2D"):
            factory.RegisterDisplayableManager("vtkMRMLSegmentationsDisplayableManager2D")
        self._managers = slicer.vtkMRMLDisplayableManagerGroup()
        self._managers.Initialize(factory, self._renderer)
        self._managers.SetMRMLDisplayableNode(node)

    def show(self, volume: Any) -> None:
        """Show a volume as background, fitted."""
        self._composite.SetBackgroundVolumeID(volume.GetID())
        self._logic.FitSliceToBackground()

    def draw(self) -> np.ndarray:
        """Draw, and return the picture, (rows, columns, RGB)."""
        import vtk
        from vtk.util import numpy_support

        self._mapper.SetInputConnection(self._logic.GetImageDataConnection())
        self._window.Render()
        pixels = vtk.vtkUnsignedCharArray()
        self._window.GetPixelData(0, 0, PIXELS - 1, PIXELS - 1, 1, pixels, 0)
        return numpy_support.vtk_to_numpy(pixels).reshape(PIXELS, PIXELS, 3)


def _draw(views: list[_View]) -> None:
    for view in views:
        picture = view.draw().astype(int)
        if (np.ptp(picture, axis=2) > 30).sum() < 20:
            raise SystemExit("A view shows no lesion: nothing was measured.")


@dataclass(frozen=True)
class _Times:
    """Seconds that a reader waits, and seconds of all cores: the two are the same size on an idle machine."""

    waited: float
    worst: float
    cpu: float


def _times(act: Callable[[int], None]) -> _Times:
    waited, cpu = [], []
    for number in range(REPEATS):
        began = time.perf_counter(), time.process_time()
        act(number)
        waited.append(time.perf_counter() - began[0])
        cpu.append(time.process_time() - began[1])
    return _Times(*(round(value, 3) for value in (median(waited), max(waited), median(cpu))))
