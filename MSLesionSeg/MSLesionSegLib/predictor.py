"""Slide the network over the brain and blend its windows into one probability map.

Windows overlap; where they do, the probabilities, not the logits, are averaged with Gaussian weights, and so are the
two of a window and its mirror image. A mean of logits is a geometric mean of odds, in which one window that is wrongly
certain (a logit of -15) overrules its neighbours; in a mean of probabilities no window counts more than its weight,
and the sum stays within [0, 1] in float32.

Memory: the input stays one float32 array, windows are cut from it one batch at a time, and the result array is its own
accumulator, so a prediction needs one float32 volume and the network's own memory for one batch, whatever the size of
the image.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from .device import choose_device
from .errors import ModelError, ResourceError
from .windows import WindowPlan, brain_box, importance, plan_windows

if TYPE_CHECKING:
    from .protocol import Progress

#: Voxels around the brain that the windows cover as well: what lies at a window's border is predicted less surely.
MARGIN = 8
#: Windows at once on the GPU, all of most brains (not measured); on the CPU one at a time is as fast and needs least
#: memory.
CUDA_BATCH = 20
FREE_MEMORY = "Close other programs, then try again."


class Predictor:
    """Lesion (or brain) probability from prepared channels.

    On one machine, device, PyTorch and number of threads, the same input gives the same bytes on every run (oneDNN's
    1x1x1 convolutions differ in the last digits between one thread and two).

    Args:
        network: (B, C, z, y, x) to logits (B, 1, z, y, x); is moved to the device and set to evaluation.
        patch: window that the network was trained on, (z, y, x) voxels. The windows may be up to 1.25 times as long
            along an axis where that saves work (``windows.window_length``).
        overlap: smallest share of a window that it shares with its neighbour, 0 to below 1.
        device: "auto", "cpu" or "cuda".
        batch: windows at once; None takes 1 on the CPU and 20 on the GPU.
        flip: average in the prediction of the window mirrored along x, left to right on the model grid.

    Attributes:
        flip: as given.
        device: where the network runs now.
        note: a sentence for the user about the choice of device, or empty.

    Raises:
        UsageError, ResourceError: the device cannot be used.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        patch: tuple[int, int, int],
        overlap: float = 0.25,
        device: str = "auto",
        batch: int | None = None,
        flip: bool = False,
    ) -> None:
        if not 0.0 <= overlap < 1.0:
            raise ValueError(f"overlap is {overlap}; it lies between 0 and below 1")
        self.device, self.note = choose_device(device)
        self._network = network.eval()
        self._patch = tuple(patch)
        self._overlap = overlap
        self._batch = batch or (CUDA_BATCH if self.device.type == "cuda" else 1)
        self.flip = flip

    def predict(
        self, channels: np.ndarray, brain: np.ndarray, progress: Progress, *, flip: bool | None = None
    ) -> np.ndarray:
        """Predict one study.

        Args:
            channels: (C, z, y, x) float32, prepared, 0 outside the brain (so is what lies beyond the image).
            brain: (z, y, x) bool.
            progress: hears of each batch of windows, may cancel between them, and is told of a change of device.
            flip: this once instead of the predictor's own.

        Returns:
            (z, y, x) float32 in [0, 1], 0 outside the brain.

        Raises:
            Cancelled: the user asked to stop.
            ResourceError: the memory does not suffice for a single window.
            ModelError: the network gives something that is not a number.
        """
        if channels.ndim != 4 or channels.shape[1:] != brain.shape:
            raise ValueError(f"channels of shape {channels.shape} do not belong to a brain of shape {brain.shape}")
        if self.note:
            progress.warn(self.note)
        try:
            return self._predict(channels, brain, progress, self.flip if flip is None else flip)
        except MemoryError as error:
            size = " x ".join(str(length) for length in brain.shape)
            raise ResourceError(f"The memory does not suffice for an image of {size} voxels.", FREE_MEMORY) from error

    def _predict(self, channels: np.ndarray, brain: np.ndarray, progress: Progress, flip: bool) -> np.ndarray:
        probability = np.zeros(brain.shape, np.float32)
        box = brain_box(brain, MARGIN)
        if box is None:
            return probability
        plan = plan_windows(box, self._patch, self._overlap)
        windows = [start for start in plan.windows() if _inside(brain, start, plan.size).any()]
        weights = [importance(length) for length in plan.size]
        self._place()
        with torch.inference_mode(), _repeatable():
            done = 0
            while done < len(windows):
                progress.check()
                starts = windows[done : done + self._batch]
                predicted = self._run(channels, starts, plan.size, flip)
                if predicted is None:
                    self._make_room(progress, plan)
                    continue
                for start, window in zip(starts, predicted, strict=True):
                    _add(probability, window, start, weights)
                done += len(starts)
                progress.update(done / len(windows), f"window {done} of {len(windows)}")
        _finish(probability, brain, plan)
        return probability

    def _run(
        self, channels: np.ndarray, starts: list[tuple[int, int, int]], size: tuple[int, int, int], flip: bool
    ) -> np.ndarray | None:
        """Probabilities (B, z, y, x) of the windows at some starts; None where the memory does not suffice."""
        try:
            batch = torch.from_numpy(_cut(channels, starts, size))
            if self.device.type == "cuda":
                batch = batch.pin_memory().to(self.device, non_blocking=True)
                batch = batch.contiguous(memory_format=torch.channels_last_3d)
            probability = self._probability(batch)
            if flip:
                probability = (probability + self._probability(batch.flip(-1)).flip(-1)) / 2
            result = probability[:, 0].cpu().numpy()
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            return None
        if np.isnan(result.max()):
            raise ModelError("The network gives values that are not numbers.", "Verify the model, or use another one.")
        return result

    def _probability(self, batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self._network(batch)
        return torch.sigmoid(logits.float())

    def _place(self) -> None:
        """Bring the network to the device; the GPU's convolutions are fastest with channels last."""
        layout = torch.channels_last_3d if self.device.type == "cuda" else torch.contiguous_format
        self._network.to(self.device, memory_format=layout)

    def _make_room(self, progress: Progress, plan: WindowPlan) -> None:
        """After running out of memory: half the batch, then the CPU, then give up."""
        if self._batch > 1:
            self._batch //= 2
        elif self.device.type == "cuda":
            progress.warn("The GPU's memory does not suffice for a single window; the CPU is used instead.")
            self.device = torch.device("cpu")
            self._place()
        else:
            size = " x ".join(str(length) for length in plan.size)
            raise ResourceError(f"The memory does not suffice for a window of {size} voxels.", FREE_MEMORY)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _repeatable() -> ExitStack:
    """On the GPU only algorithms that give the same bytes on every run; no effect on the CPU."""
    stack = ExitStack()
    if torch.backends.cudnn.is_available():
        stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True))
    return stack


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of PyTorch, on any device and system, says that memory could not be had."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    return any(
        phrase in text
        for phrase in ("DefaultCPUAllocator", "not enough memory", "out of memory", "CUDNN_STATUS_ALLOC_FAILED")
    )


def _spans(shape: tuple[int, ...], start: tuple[int, ...], size: tuple[int, ...]) -> tuple[tuple[slice, ...], ...]:
    """The part of a window that lies inside the image: as slices of the image, and as slices of the window."""
    image, window = [], []
    for length, first, count in zip(shape, start, size, strict=True):
        low, high = max(first, 0), min(first + count, length)
        image.append(slice(low, high))
        window.append(slice(low - first, high - first))
    return tuple(image), tuple(window)


def _inside(volume: np.ndarray, start: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
    return volume[_spans(volume.shape, start, size)[0]]


def _cut(channels: np.ndarray, starts: list[tuple[int, int, int]], size: tuple[int, int, int]) -> np.ndarray:
    """A copy of some windows (B, C, z, y, x), 0 beyond the image."""
    cut = np.zeros((len(starts), channels.shape[0], *size), np.float32)
    for target, start in zip(cut, starts, strict=True):
        image, window = _spans(channels.shape[1:], start, size)
        target[(slice(None), *window)] = channels[(slice(None), *image)]
    return cut


def _add(total: np.ndarray, window: np.ndarray, start: tuple[int, ...], weights: list[np.ndarray]) -> None:
    """Add a window, times its importance, to the total."""
    image, inside = _spans(total.shape, start, window.shape)
    z, y, x = (weight[part] for weight, part in zip(weights, inside, strict=True))
    total[image] += window[inside] * (z[:, None] * y)[:, :, None] * x


def _finish(total: np.ndarray, brain: np.ndarray, plan: WindowPlan) -> None:
    """Turn the weighted sum into the mean, in place, and clear what lies outside the brain.

    Every window over a brain voxel was run, so there the total weight is that of all windows.
    """
    extent = plan.extent
    image, inside = _spans(total.shape, extent.start, extent.size)
    covered = total[image]
    for axis, part in enumerate(inside):
        weight = plan.total_weight(axis)[part]
        covered /= weight.reshape([-1 if other == axis else 1 for other in range(3)])
    np.clip(covered, 0.0, 1.0, out=covered)
    covered *= brain[image]
