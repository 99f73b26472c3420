"""The training loop: patches in, the running mean of the weights out; resumable to the same next step."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from MSLesionSegLib.cli_runner import user_error
from MSLesionSegLib.errors import Cancelled, ResourceError, UsageError
from MSLesionSegLib.networks import build_network
from MSLesionSegLib.protocol import Progress

from .batch_statistics import measure_statistics, synchronised
from .canvases import Canvas
from .checkpoint import check_run_folder, load_checkpoint, save_checkpoint
from .deep_supervision import DeeplySupervised, supervised_loss
from .fabric_setup import make_fabric, share_of_batch
from .followed import FollowedProgress
from .losses import LOSSES
from .patch_workers import outlive_a_cancel, worker_count
from .run_log import Epoch, RunLog
from .settings import SETTINGS_FILE, TrainSettings
from .thresholds import best_figures
from .validation import validate

CHECKPOINT_EVERY = 100
"""Steps between two checkpoints; there is one at the end of each epoch as well."""
WARM_UP = 0.04
ENDLESS = 1_000_000_000
"""Patches of a run whose length is a time."""


def train(
    settings: TrainSettings,
    patches: Dataset,
    validation: Sequence[Canvas],
    run: Path,
    progress: Progress,
    *,
    start: nn.Module | None = None,
    resume: bool = False,
    fabric: Fabric | None = None,
) -> nn.Module:
    """Train one network.

    Leaves ``settings.json``, ``metrics.csv``, ``curves.png``, ``tensorboard/`` and ``checkpoint.pt`` in the folder of
    the run. A resumed run draws the same patches as an uninterrupted one and comes to the same weights.

    Args:
        settings: all choices.
        patches: patch ``i`` is the ``i``-th that the run sees.
        validation: whole cases that are scored after each epoch; without any the last weights are the result.
        run: folder of the run, made if missing.
        progress: takes the fraction done; its ``check`` may cancel: the state is kept then.
        start: weights to start from; random ones if None.
        resume: go on from the checkpoint in ``run``.
        fabric: of this process; one for the best device if None.

    Returns:
        The network with the averaged weights of the best epoch, in evaluation mode, on the CPU.

    Raises:
        UsageError: the run folder holds another run, or nothing to resume.
        ResourceError: the loss is no longer finite, or the memory does not suffice; the last checkpoint is good.
    """
    check_run_folder(run, resume=resume)
    fabric = fabric or make_fabric("auto", settings.precision)
    trainer = Trainer(settings, patches, validation, run, progress, fabric, start)
    if resume:
        state = load_checkpoint(run, fabric.device)
        if "optimiser" not in state:
            raise UsageError(f"{run} was joined from other runs.", "Go on with one of those, and join them again.")
        trainer.load(state)
    elif fabric.is_global_zero:
        run.mkdir(parents=True, exist_ok=True)
        settings.save(run / SETTINGS_FILE)
    try:
        return trainer.run()
    except Exception as error:
        known = user_error(error)
        if isinstance(known, ResourceError) and known is not error and "memory" in known.message:
            raise ResourceError(
                f"The memory does not suffice at step {trainer.step}; the last checkpoint in {run} is good.",
                "Close other programs and go on with --resume, or train a smaller --preset or --batch.",
            ) from error
        raise


def load_result(settings: TrainSettings, run: Path) -> nn.Module:
    """The network that a run gives so far: the averaged weights of its best epoch, on the CPU, in evaluation mode.

    Raises:
        UsageError: the run holds no checkpoint.
    """
    state = load_checkpoint(run)
    network = build_network(settings.architecture)
    network.load_state_dict(state["best"].get("weights") or state["average"])
    return network.eval()


class Trainer:
    """One run in one process; see ``train`` for the arguments.

    Attributes:
        step: optimiser steps done.
    """

    def __init__(
        self,
        settings: TrainSettings,
        patches: Dataset,
        validation: Sequence[Canvas],
        run: Path,
        progress: Progress,
        fabric: Fabric,
        start: nn.Module | None,
    ) -> None:
        self.step = 0
        self._settings, self._patches, self._validation = settings, patches, validation
        self._run, self._progress, self._fabric = run, progress, fabric
        self._loss = LOSSES[settings.loss]
        self._local_batch = share_of_batch(settings.batch, fabric)
        self._best: dict[str, Any] = {}
        self._losses: list[float] = []
        self._elapsed_before, self._began, self._first_step = 0.0, time.monotonic(), 0
        torch.manual_seed(settings.seed)
        network = build_network(settings.architecture)
        if start is not None:
            network.load_state_dict(start.state_dict())
        self._layout = _fastest_layout(network)
        self._average = build_network(settings.architecture).to(fabric.device, memory_format=self._layout)
        self._average.load_state_dict(network.state_dict())
        if fabric.world_size > 1:
            network = synchronised(network, fabric.device)
        self._network = network.to(memory_format=self._layout)
        module = DeeplySupervised(network) if settings.deep_supervision else network
        optimiser = torch.optim.AdamW(module.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        self._module, self._optimiser = fabric.setup(module, optimiser)

    def load(self, state: dict[str, Any]) -> None:
        """Take the state of a checkpoint."""
        self._module.load_state_dict(state["module"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._best, self._losses = state["best"], state["losses"]
        self.step = self._first_step = state["step"]
        self._elapsed_before = state["elapsed"]

    def run(self) -> nn.Module:
        """Train to the end; see ``train``."""
        log = RunLog(self._run, self.step) if self._fabric.is_global_zero else None
        try:
            self._epochs(log)
        except Cancelled as error:
            self._save()
            raise Cancelled(f"Cancelled at step {self.step}; --resume goes on from there.") from error
        finally:
            if log is not None:
                log.close()
        if self._best.get("weights"):
            self._average.load_state_dict(self._best["weights"])
        return self._average.cpu().eval()

    def _epochs(self, log: RunLog | None) -> None:
        batches = self._batches()
        self._began = time.monotonic()
        try:
            if self._losses and self._epoch_is_over():  # it was stopped before it was validated
                self._end_epoch(log)
            while not self._finished():
                self._train_step(next(batches), log)
                if self._epoch_is_over():
                    self._end_epoch(log)
                elif self.step % CHECKPOINT_EVERY == 0:
                    self._save()
        finally:
            del batches  # an exception that somebody keeps would keep the workers as well

    def _epoch_is_over(self) -> bool:
        return self.step % self._settings.epoch_steps == 0 or self._done() >= 1.0

    def _finished(self) -> bool:
        patience = self._settings.patience
        epoch = self.step / self._settings.epoch_steps
        stale = bool(patience and self._best and epoch - self._best["epoch"] >= patience)
        return self._done() >= 1.0 or stale

    def _train_step(self, batch: tuple[Tensor, Tensor], log: RunLog | None) -> None:
        self._progress.update(self._done(), self._message())
        torch.manual_seed(_seed(self._settings.seed, self.step, self._fabric.global_rank))
        self._module.train()
        images, labels = (tensor.to(self._fabric.device, non_blocking=True) for tensor in batch)
        rate = self._set_learning_rate()
        logits = self._module(images.contiguous(memory_format=self._layout))
        loss = supervised_loss(self._loss, logits, labels)
        if not torch.isfinite(loss):
            raise ResourceError(
                f"The loss is no longer finite at step {self.step}; the last checkpoint in {self._run} is good.",
                "Start another run with a lower --learning-rate.",
            )
        self._optimiser.zero_grad(set_to_none=True)
        self._fabric.backward(loss)
        self._fabric.clip_gradients(self._module, self._optimiser, max_norm=self._settings.clip)
        self._optimiser.step()
        _follow(self._average, self._network, min(self._settings.ema, (1 + self.step) / (10 + self.step)))
        self.step += 1
        self._losses.append(
            float(self._fabric.all_reduce(loss.detach())) if self._fabric.world_size > 1 else loss.item()
        )
        if log is not None:
            log.step(self.step, self._losses[-1], rate)

    def _end_epoch(self, log: RunLog | None) -> None:
        settings, patch = self._settings, self._settings.recipe.patch
        self._progress.update(self._done(), "validating")
        epoch = math.ceil(self.step / settings.epoch_steps)
        measure_statistics(self._average, self._patches, self._fabric.device, worker_count())
        rows = self._gathered(validate(self._average, self._mine(), patch, self._fabric.device.type))
        self._average.to(self._fabric.device, memory_format=self._layout)
        figures = best_figures(rows)
        if rows and (not self._best or figures["score"] > self._best["score"]):
            weights = {name: value.cpu().clone() for name, value in self._average.state_dict().items()}
            self._best = {"epoch": epoch, "score": figures["score"], "weights": weights}
        loss = sum(self._losses) / len(self._losses)
        self._losses = []
        row = Epoch(
            epoch=epoch,
            step=self.step,
            loss=loss,
            learning_rate=self._optimiser.param_groups[0]["lr"],
            **figures,
            seconds=self._elapsed(),
        )
        if log is not None:
            log.epoch(row)
        if isinstance(self._progress, FollowedProgress):
            self._progress.record({"epoch": vars(row) | {"best_epoch": self._best.get("epoch")}})
        self._save()

    def _save(self) -> None:
        if not self._fabric.is_global_zero:
            return
        state = {
            "module": self._module.state_dict(),
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "best": self._best,
            "losses": list(self._losses),
            "step": self.step,
            "elapsed": self._elapsed(),
        }
        save_checkpoint(self._run, state)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of this process from the present step on: its share of every whole batch."""
        settings, rank = self._settings, self._fabric.global_rank
        last = ENDLESS if settings.steps is None else settings.steps
        numbers = itertools.chain.from_iterable(
            range(first, first + self._local_batch)
            for first in range(
                self.step * settings.batch + rank * self._local_batch, last * settings.batch, settings.batch
            )
        )
        loader = DataLoader(
            self._patches,
            self._local_batch,
            sampler=numbers,
            num_workers=worker_count(),
            worker_init_fn=outlive_a_cancel,
            prefetch_factor=4,
            pin_memory=self._fabric.device.type == "cuda",
        )
        return iter(loader)

    def _mine(self) -> list[Canvas]:
        return list(self._validation[self._fabric.global_rank :: self._fabric.world_size])

    def _gathered(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if self._fabric.world_size == 1:
            return rows
        parts: list[list[dict[str, Any]]] = [[] for _ in range(self._fabric.world_size)]
        torch.distributed.all_gather_object(parts, rows)
        return list(itertools.chain.from_iterable(parts))

    def _elapsed(self) -> float:
        return self._elapsed_before + time.monotonic() - self._began

    def _done(self) -> float:
        """Share of the run that is done; every process hears the same."""
        settings = self._settings
        if settings.steps is not None:
            return self.step / settings.steps
        done = self._elapsed() / (settings.hours * 3600)
        return self._fabric.broadcast(done) if self._fabric.world_size > 1 else done

    def _message(self) -> str:
        settings = self._settings
        done = self.step - self._first_step
        place = f"step {self.step} of {settings.steps}" if settings.steps else f"step {self.step}"
        if not done:
            return place
        seconds = time.monotonic() - self._began
        left = (
            seconds / done * (settings.steps - self.step) if settings.steps else settings.hours * 3600 - self._elapsed()
        )
        best = f", best epoch {self._best['epoch']} ({self._best['score']:.3f})" if self._best else ""
        return f"{place}, {max(left, 0) / 60:.0f} min left{best}"

    def _set_learning_rate(self) -> float:
        done = self._done()
        step = 0.0 if self._settings.steps is None else 1 / self._settings.steps
        if done < WARM_UP:
            share = min(1.0, (done + step) / WARM_UP) if step else done / WARM_UP + 0.01
        else:
            share = 0.5 * (1 + math.cos(math.pi * min(1.0, (done - WARM_UP) / (1 - WARM_UP))))
        for group in self._optimiser.param_groups:
            group["lr"] = self._settings.learning_rate * share
        return self._settings.learning_rate * share


def _fastest_layout(network: nn.Module) -> torch.memory_format:
    """Channels last where it is faster: a step takes 0.7 of the time with batch normalisation, 1.1 with instance."""
    batch = any(isinstance(module, nn.BatchNorm3d) for module in network.modules())
    return torch.channels_last_3d if batch else torch.contiguous_format


def _seed(seed: int, step: int, rank: int) -> int:
    """A seed for one step of one process, so that a resumed run needs no state of a generator."""
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0])


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    for mean, now in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(now.to(mean.dtype), 1 - decay)
