"""What happens around the training steps of one run: looking, scoring, drawing, saving, telling."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ganexp.config.run_spec import RunSpec
from ganexp.files import pictures
from ganexp.files.checkpoint import CorruptCheckpointError
from ganexp.files.drawing import decoration
from ganexp.files.foreign import folder_below
from ganexp.files.lease import Lease
from ganexp.files.record import PROBABILITY_COLUMNS, Row, is_cadence
from ganexp.files.run_folder import (
    RunFolder,
)
from ganexp.trainer.batches import Batches
from ganexp.trainer.build import derived
from ganexp.trainer.finish import plain, result, write_read_off
from ganexp.trainer.observe import observe
from ganexp.trainer.progress import Progress
from ganexp.trainer.sampling import GeneratorSampler, sampler
from ganexp.trainer.state import TrainState
from ganexp.trainer.trajectory import load_generator, shorter
from ganexp.types import Scores
from ganexp.types.errors import Diverged, LeaseLost, Pruned
from ganexp.types.streams import ignore_next, restore, stop_signals

if TYPE_CHECKING:
    from ganexp.metrics import Evaluator

OBSERVED_IMAGES = 512
"""Held-out, and generated, images that the discriminator is watched on after each epoch."""


REQUEUEING = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals by which a cluster's engine tells a job to make room."""


class Signals:
    """Remembers SIGINT, SIGTERM and SIGHUP instead of dying of them, and whatever tells a cluster's job to make room.

    A cluster's engine has a handler of its own for SIGUSR1 or SIGUSR2, which requeues the job: once the run is saved,
    that signal is to be sent again.
    """

    received: int | None = None

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.received not in REQUEUEING:
            self.received = number
        ignore_next(number)

    @contextmanager
    def caught(self) -> Iterator[Signals]:
        """Catch them inside; outside the main thread, where Python allows no handlers, do nothing."""
        try:
            before = {number: signal.signal(number, self._remember) for number in _caught()}
        except ValueError:
            yield self
            return
        try:
            yield self
        finally:
            restore(before)


def _caught() -> list[signal.Signals]:
    """The signals that ask a run to stop."""
    cluster = [number for number in REQUEUEING if callable(signal.getsignal(number))]
    return [*stop_signals(), *cluster]


class Session:
    """The loop's hooks for one run (`ganexp.trainer.Hooks`).

    Args:
        spec: the run.
        training: its state.
        batches: its real images.
        evaluator: scores generators, or None where nothing is measured.
        lease: the right to write in its directory.
        signals: requests to stop.
        progress: what the user sees.
        logger: where rows go besides metrics.csv.
        machine: what it runs on.
    """

    def __init__(
        self,
        spec: RunSpec,
        training: TrainState,
        batches: Batches,
        evaluator: Evaluator | None,
        lease: Lease,
        signals: Signals,
        progress: Progress,
        logger: Any,
        machine: dict[str, Any],
    ) -> None:
        self.spec, self.training, self.batches, self.evaluator = spec, training, batches, evaluator
        self.lease, self.signals, self.progress, self.logger, self.machine = lease, signals, progress, logger, machine
        self.scored: tuple[int, Scores] | None = None
        self.started = perf_counter()
        self.earlier_seconds = 0.0
        self._label_counts = batches.label_counts(training.gan.num_classes)
        count = min(OBSERVED_IMAGES, len(spec.dataset.reference))
        heldout = torch.from_numpy(np.array(spec.dataset.reference[:count]))
        self._heldout = pictures.to_training_float(heldout).to(training.device)

    @property
    def sample(self) -> GeneratorSampler:
        """Images of the sampling generator as it is now."""
        return self._sampler(self.training.sampling_generator)

    def _sampler(self, generator: torch.nn.Module) -> GeneratorSampler:
        gan, device = self.training.gan, self.training.device
        return sampler(generator, gan.latent, gan.latent_dim, device, label_counts=self._label_counts)

    def interrupted(self) -> bool:
        """Whether a signal came, or another process took the run over."""
        if self.lease.lost:
            raise LeaseLost(str(self.spec.directory))
        return self.signals.received is not None

    def stepped(self, step: int) -> None:
        """Show the step."""
        self.progress.step(step)

    def epoch_done(self, row: Row) -> None:
        """Look at the networks, score, draw, and save everything that a restart needs."""
        epoch = int(row["epoch"] or 0)
        trainer = self.spec.config.trainer
        with self.naming(epoch):
            self._observe(row)
            if self.evaluator is not None and is_cadence(epoch, self.spec.config.metrics.every_epochs):
                row |= self.scores(epoch).values
            if trainer.samples_every_epochs is not None and epoch % trainer.samples_every_epochs == 0:
                self.draw_samples(epoch)
        self.training.history.append(row)
        if epoch in trainer.milestones or epoch in self.spec.config.sweep.read_off:
            self.save_generator(epoch)
        self.logger.log(row, self.training.step)
        self.save()
        self._tell(epoch, row)
        if epoch in self.spec.config.sweep.read_off:
            self.read_off(epoch)
        if self.judged(row) and epoch < self.spec.config.trainer.epochs:
            raise Pruned(f"after epoch {epoch} of {self.spec.config.trainer.epochs}")

    @contextmanager
    def naming(self, epoch: int) -> Iterator[None]:
        """Inside, what diverges is told with the epoch."""
        try:
            yield
        except Diverged as error:
            raise Diverged(f"epoch {epoch}, step {self.training.step}: {error}") from None

    def judged(self, row: Row) -> bool:
        """Report a scored epoch to whom it concerns; whether the run is to be pruned for it."""
        objective = self.spec.config.metrics.objective
        value = row.get(f"{objective}_half_a", row.get(str(objective)))
        return self.spec.judge is not None and value is not None and self.spec.judge(int(row["epoch"] or 0), value)

    def scores(self, epoch: int) -> Scores:
        """The metrics of the sampling generator after `epoch`, computed once."""
        if self.evaluator is None:
            return Scores({})
        if self.scored is None or self.scored[0] != epoch:
            self.scored = (epoch, self.scores_of(self.training.sampling_generator, epoch))
        return self.scored[1]

    def save(self) -> None:
        """metrics.csv, then the full checkpoint that it belongs to; older checkpoints go."""
        run = self.spec.directory
        self.lease.check()
        RunFolder(run).write_rows(self.training.history, list(self.spec.config.scores))
        meta = {"epoch": len(self.training.history), "machine": self.machine, **self._ids()}
        meta["elapsed"] = round(self.elapsed(), 3)
        self.training.save(RunFolder(run).state_checkpoint(self.training.step), meta)
        RunFolder(run).prune_states(self.spec.config.trainer.keep_checkpoints, self.training.step)

    def save_generator(self, epoch: int) -> None:
        """Keep the sampling generator of an epoch."""
        self.training.save_generator(self.spec.folder.generator_checkpoint(epoch), {"epoch": epoch, **self._ids()})

    def draw_samples(self, epoch: int) -> None:
        """The sample grid of an epoch: the same z every time."""
        derived(self.spec.config, self.training.device, "samples", epoch)
        images = pictures.to_uint8(self.sample(self.spec.config.trainer.sample_images))
        path = self.spec.folder.samples_png(epoch)
        folder_below(self.spec.directory, "samples")
        with decoration(path):
            pictures.save_grid(path, images)
            self.logger.picture("samples", path, self.training.step)

    def read_off(self, epoch: int) -> None:
        """Write the directory of the run of this trajectory that ends at `epoch`, whose generator is kept.

        Where that run is held or finished already, or its generator was never kept or is damaged, nothing happens: that
        run is trained by itself.
        """
        kept = self.spec.folder.generator_checkpoint(epoch)
        short = shorter(self.spec, epoch)
        rows = self.training.history[:epoch]
        if not kept.exists() or short.folder.finished_result() is not None:
            return
        if len(self.training.history) == epoch:
            scores = self.scores(epoch)
        else:
            try:
                generator = load_generator(self.training.sampling_generator, kept)
            except CorruptCheckpointError as error:
                self.progress.note(f"{error}; {short.directory.name} is not read off")
                return
            scores = self.scores_of(generator, epoch)
        write_read_off(short, self.spec.directory, rows, self.result(short, rows, scores))

    def scores_of(self, generator: torch.nn.Module, epoch: int) -> Scores:
        """The metrics of a generator of this run, as it was after `epoch`."""
        if self.evaluator is None:
            return Scores({})
        derived(self.spec.config, self.training.device, "scores", epoch)
        return self.evaluator.evaluate(self._sampler(generator))

    def result(self, spec: RunSpec, rows: Sequence[Row], scores: Scores) -> dict[str, Any]:
        """result.json of `spec`, which ends with the last of `rows`."""
        measured = self.evaluator.metrics if self.evaluator is not None else {}
        directions = {name: str(metric.direction) for name, metric in measured.items()}
        return plain(result(spec, rows, scores, directions, self.machine, self.elapsed()))

    def elapsed(self) -> float:
        """Seconds of work on this run so far, over all its processes."""
        return self.earlier_seconds + perf_counter() - self.started

    def _observe(self, row: Row) -> None:
        if not self._probabilistic:
            row |= dict.fromkeys(PROBABILITY_COLUMNS, None)
            return
        derived(self.spec.config, self.training.device, "observe", self.training.step)
        generated = self.sample(len(self._heldout)).to(self.training.device)
        found = observe(self.training.discriminator, self._heldout, generated, self._observed_labels())
        for name, value in found.items():
            if not math.isfinite(value):
                raise Diverged(f"{name} is {value}")
        row |= found

    def _observed_labels(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Labels of the held-out images and of as many generated ones, where the networks take labels."""
        real, count = self.spec.dataset.reference_labels, len(self._heldout)
        fake = self.sample.labels(count)
        if real is None or fake is None:
            return None
        return torch.from_numpy(np.array(real[:count])).to(self.training.device), fake.to(self.training.device)

    @property
    def _probabilistic(self) -> bool:
        return bool(self.spec.config.loss.build().probabilistic)

    def _ids(self) -> dict[str, Any]:
        shape = list(self.spec.dataset.image_shape)
        identity = {"run_id": self.spec.identity.run_id, "trajectory_id": self.spec.identity.trajectory_id}
        return {**identity, "image_shape": shape, "label_counts": self._label_counts}

    def _tell(self, epoch: int, row: Row) -> None:
        seconds = self.training.train_seconds
        speed = float(row["images_seen"] or 0) / seconds if seconds else 0.0
        left = (self.spec.config.trainer.epochs - epoch) * seconds / max(epoch, 1)
        progress = {"images_per_second": round(speed, 1), "seconds_left": round(left, 1), "step": self.training.step}
        self.lease.update(epoch=epoch, progress=progress)
        self.progress.epoch(row)
