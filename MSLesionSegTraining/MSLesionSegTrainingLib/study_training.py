"""One training of a study, watched on fixed patches after each epoch."""

from __future__ import annotations

from pathlib import Path

from lightning_fabric import Fabric
from torch import nn

from MSLesionSegLib.protocol import Progress

from .checkpoint import CHECKPOINT_FILE, load_checkpoint
from .patches import PatchDataset
from .run_log import RunLog, read_epochs
from .samplers import make_sampler
from .settings import SETTINGS_FILE, TrainSettings
from .study_data import StudyData
from .study_watch import FixedPatches, Watched, measure, read_watch, write_watch
from .train import Trainer


def train_watched(
    settings: TrainSettings,
    data: StudyData,
    fixed: tuple[FixedPatches, FixedPatches],
    run: Path,
    progress: Progress,
    fabric: Fabric,
) -> nn.Module:
    """Train one network to the end, or go on from its checkpoint, and measure its averaged weights after each epoch.

    No epoch is chosen: the result is that of the last step, so that all networks have seen the same number of patches.

    Args:
        settings: of the run; its length is given in epochs.
        data: gives what is trained on.
        fixed: patches of patients who are trained on, and of others.
        run: its folder; ``watch.csv`` is written beside what ``train`` leaves.
        progress: of this training.
        fabric: of this process.

    Returns:
        The averaged weights of the last step, in evaluation mode, on the CPU.
    """
    sampler = make_sampler(settings.sampler, settings.recipe.patch)
    length = settings.steps * settings.batch
    patches = PatchDataset(data.train, data.shapes, data.levels, settings.recipe, sampler, settings.seed, length)
    trainer = WatchedTrainer(settings, patches, fixed, run, progress, fabric)
    if (run / CHECKPOINT_FILE).exists():
        trainer.load(load_checkpoint(run, fabric.device))
    else:
        run.mkdir(parents=True, exist_ok=True)
        settings.save(run / SETTINGS_FILE)
    return trainer.run()


class WatchedTrainer(Trainer):
    """A trainer without validation cases that measures two groups of fixed patches at the end of each epoch."""

    def __init__(
        self,
        settings: TrainSettings,
        patches: PatchDataset,
        fixed: tuple[FixedPatches, FixedPatches],
        run: Path,
        progress: Progress,
        fabric: Fabric,
    ) -> None:
        super().__init__(settings, patches, [], run, progress, fabric, None)
        self._fixed = fixed

    def _epochs(self, log: RunLog | None) -> None:
        done, begun = divmod(self.step, self._settings.epoch_steps)
        if not begun and len(read_watch(self._run)) < done:
            self._end_epoch(log)  # it was stopped just there
        super()._epochs(log)

    def _end_epoch(self, log: RunLog | None) -> None:
        super()._end_epoch(log)
        last = read_epochs(self._run)[-1]
        device = self._fabric.device
        (seen_loss, seen_dice), (unseen_loss, unseen_dice) = (
            measure(self._average, part, device) for part in self._fixed
        )
        row = Watched(
            epoch=last.epoch,
            patches=last.step * self._settings.batch,
            seconds=last.seconds,
            training_loss=last.loss,
            seen_loss=seen_loss,
            unseen_loss=unseen_loss,
            seen_dice=seen_dice,
            unseen_dice=unseen_dice,
        )
        write_watch(self._run, [*(one for one in read_watch(self._run) if one.epoch < row.epoch), row])
