"""Pictures of slice views, drawn off the screen by Slicer's own displayable managers."""

from typing import Any

import numpy as np


class SlicePicture:
    """Draws one slice view of the host: volumes, outlines and segments.

    Args:
        logics: the host's ``SceneLogics``.
        name: of the view, such as "Red".
        size: width and height in pixels.
    """

    def __init__(self, logics: Any, name: str, size: tuple[int, int]) -> None:
        import slicer
        import vtk

        self._logic = logics.application_logic.GetSliceLogicByLayoutName(name)
        self._logic.ResizeSliceNode(*size)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(logics.application_logic)
        manager = "vtkMRMLSegmentationsDisplayableManager2D"
        if not factory.IsDisplayableManagerRegistered(manager):
            factory.RegisterDisplayableManager(manager)
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetSize(*size)
        self._window.SetNumberOfLayers(2)
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        image = vtk.vtkActor2D()
        image.SetMapper(self._mapper)
        below, above = vtk.vtkRenderer(), vtk.vtkRenderer()
        below.AddViewProp(image)
        above.SetLayer(1)
        for renderer in (below, above):
            self._window.AddRenderer(renderer)
        interactor = vtk.vtkGenericRenderWindowInteractor()
        interactor.SetRenderWindow(self._window)
        self._kept = (below, above, image, interactor)
        self._group = slicer.vtkMRMLDisplayableManagerGroup()
        self._group.SetRenderer(above)
        self._group.Initialize(factory, above)
        self._group.SetMRMLDisplayableNode(self._logic.GetSliceNode())

    def draw(self) -> np.ndarray:
        """The picture, (rows, columns, 3) uint8, top row first."""
        import vtk
        from vtk.util.numpy_support import vtk_to_numpy

        self._logic.UpdatePipeline()
        # The connection changes whenever a layer comes or goes.
        self._mapper.SetInputConnection(self._logic.GetImageDataConnection())
        self._window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        columns, rows, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, 3)[::-1].copy()

    def close(self) -> None:
        """Let the window go."""
        self._group.SetMRMLDisplayableNode(None)
        self._window.Finalize()


def picture_of_views(logics: Any, names: tuple[str, ...], size: tuple[int, int]) -> np.ndarray:
    """Slice views side by side, each of that size (width, height); (rows, columns, 3) uint8."""
    drawn = []
    for name in names:
        picture = SlicePicture(logics, name, size)
        drawn.append(picture.draw())
        picture.close()
    gap = np.full((size[1], 4, 3), 255, np.uint8)
    parts = [part for one in drawn for part in (one, gap)][:-1]
    return np.concatenate(parts, axis=1)
