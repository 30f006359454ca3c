"""Hooks around the training steps of one run: observing, scoring, drawing, saving, reporting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from ganexp.config.run_config import plain_values
from ganexp.config.run_spec import RunSpec
from ganexp.files import png
from ganexp.files.code_record import NOT_REPRODUCIBLE
from ganexp.files.drawing import decoration
from ganexp.files.foreign import folder_below
from ganexp.files.lease import Lease
from ganexp.files.record import Row, half_a, is_cadence, merged
from ganexp.files.run_folder import RunFolder
from ganexp.trainer.batches import Batches
from ganexp.trainer.build import Prepared, reseed_for_own_code
from ganexp.trainer.columns import Drawn, settle
from ganexp.trainer.observe import observed
from ganexp.trainer.progress import Progress
from ganexp.trainer.result import result
from ganexp.trainer.sampling import GeneratorSampler, sampler
from ganexp.trainer.signals import Signals
from ganexp.trainer.state import TrainState
from ganexp.trainer.states import States
from ganexp.trainer.threads import Threads
from ganexp.trainer.trajectory import write_shorter
from ganexp.trainer.trouble import say_trouble
from ganexp.types import Scores
from ganexp.types.doing import doing
from ganexp.types.errors import Diverged, LeaseLost, Pruned

QUICK_SECONDS = 1.0  # what took less is not said again
OBSERVED_IMAGES = 512  # held-out images, and as many generated ones, that D is evaluated on after each epoch


class Session:
    """A run at work; the training loop's hooks (`ganexp.trainer.loop.Hooks`).

    `lease` is the right to write in its directory, `signals` holds requests to stop, `machine` the conditions of
    training (`ganexp.files.provenance.machine`).
    """

    def __init__(
        self,
        run: Prepared,
        training: TrainState,
        batches: Batches,
        lease: Lease,
        signals: Signals,
        progress: Progress,
        machine: dict[str, Any],
    ) -> None:
        self.spec, self.evaluator, self.logger = run.spec, run.evaluator, run.logger
        self.training, self.lease, self.signals, self.progress = training, lease, signals, progress
        self.machine, self.threads = machine, Threads([torch.get_num_threads()], torch.get_num_threads())
        self.measured = dict(self.evaluator.provenance) if self.evaluator is not None else {}  # of the history
        self._scoring_seconds = QUICK_SECONDS  # of the last time; not known yet
        self.states = States(self)
        self.trouble = ""  # said last
        self._last_scores: tuple[int, Scores] | None = None
        self.started = perf_counter()
        self.earlier_seconds = 0.0
        self._label_counts = batches.label_counts(training.gan.num_classes)
        count = min(OBSERVED_IMAGES, len(run.spec.dataset.reference))
        heldout = torch.from_numpy(np.array(run.spec.dataset.reference[:count]))
        self.heldout = png.to_training_float(heldout).to(training.device)

    def go_on(self, restored: Mapping[str, Any] | None) -> None:
        """Start the logger, and go on from the restored checkpoint's metadata (None: from scratch).

        Restored epochs are saved here, and the shorter runs that end before them are written.
        """
        own = restored is None or restored["folder"] == self.spec.directory
        if restored is not None:
            self._restore(restored, own)
        config = plain_values(DictConfig(OmegaConf.create(self.spec.texts.config)))  # as composed
        self.logger.start(self.spec.directory, config, self.spec.identity.run_id, self.training.step if own else 0)
        for row in () if own else self.training.history:  # what a shorter run of the trajectory logged
            self.logger.log(row, int(row["step"] or 0))

    def _restore(self, restored: Mapping[str, Any], own: bool) -> None:
        settle(self, RunFolder(restored["folder"]), restored.get("measured", {}))
        history = self.training.history
        self.earlier_seconds = float(restored.get("elapsed", 0.0))
        for row in history:
            self.prunes(row)
        self.lease.update(epoch=len(history))
        origin = "" if own else f" of {restored['folder'].name}"
        self.progress.note(f"going on after step {self.training.step:,}{origin}")
        before = restored.get("machine", {})
        changed = [f"{key} {before.get(key)} -> {now}" for key, now in self.machine.items() if before.get(key) != now]
        if self.spec.code is not None and self.spec.code.problems:
            self.progress.note(f"{NOT_REPRODUCIBLE}: going on gives other numbers than a training in one go")
        if changed:
            self.progress.note(f"under other conditions ({', '.join(changed)}): the last bits may differ")
        if origin or history:
            self.states.save()
        for epoch in self.spec.config.sweep.read_off:
            if epoch <= len(history):
                write_shorter(self, epoch)

    @property
    def columns(self) -> list[str]:
        """The metrics' columns in metrics.csv."""
        return list(self.evaluator.metrics) if self.evaluator is not None else []

    @property
    def sample(self) -> GeneratorSampler:
        """A sampler of the current sampling generator."""
        return self._sampler(self.training.sampling_generator)

    def _sampler(self, generator: torch.nn.Module) -> GeneratorSampler:
        gan, device = self.training.gan, self.training.device
        return sampler(generator, gan.latent, gan.latent_dim, device, label_counts=self._label_counts)

    def interrupted(self) -> bool:
        """Whether a signal asks the run to stop.

        Raises:
            LeaseLost: another process has taken the run over.
        """
        if self.lease.lost:
            raise LeaseLost(str(self.spec.directory))
        self.threads.go()
        return self.signals.received is not None

    def stepped(self, step: int) -> None:
        """Show the step."""
        self.threads.step_done()
        self.progress.step(step)

    def epoch_done(self, row: Row) -> None:
        """Observe the networks, score, draw, and save everything that a restart needs."""
        self.threads.rest()
        epoch = int(row["epoch"] or 0)
        trainer = self.spec.config.trainer
        with self.naming(epoch):
            row |= observed(self)
            if trainer.samples_every_epochs is not None and epoch % trainer.samples_every_epochs == 0:
                self.draw_samples(epoch)
            if self.evaluator is not None and is_cadence(epoch, self.spec.config.metrics.every_epochs):
                row |= self.scores(epoch).values
        self.training.close(row)
        if epoch in trainer.milestones or epoch in self.spec.config.sweep.read_off:
            self.save_generator(epoch)
        self.logger.log(row, self.training.step)
        self.states.passed()
        self._report(epoch, row)
        say_trouble(self, row)
        if epoch in self.spec.config.sweep.read_off:
            write_shorter(self, epoch)
        if self.prunes(row) and epoch < self.spec.config.trainer.epochs:
            raise Pruned(f"after epoch {epoch} of {self.spec.config.trainer.epochs}")

    @contextmanager
    def naming(self, epoch: int) -> Iterator[None]:
        """Inside, `Diverged` names the epoch."""
        try:
            yield
        except Diverged as error:
            raise Diverged(f"epoch {epoch}, step {self.training.step}: {error}") from None

    def prunes(self, row: Row) -> bool:
        """Report a scored epoch to the search, if the run is a trial; returns whether to prune the run."""
        objective = self.evaluator and self.evaluator.objective
        value = half_a(row, objective) if objective else None
        return (
            self.spec.should_prune is not None
            and value is not None
            and self.spec.should_prune(int(row["epoch"] or 0), value)
        )

    def scores(self, epoch: int) -> Scores:
        """The metrics of the sampling generator after `epoch` for metrics.csv, computed once."""
        if self._last_scores is None or self._last_scores[0] != epoch:
            self._last_scores = (epoch, self._scored(epoch))
        return self._last_scores[1]

    def _scored(self, epoch: int) -> Scores:
        if self.evaluator is None:
            return self.drawn(self.training.sampling_generator, epoch).curve()
        if not self.evaluator.provenance:
            self.states.save()  # before what may take long
            self.evaluator.prepare()
            self.measured = merged(self.measured, self.evaluator.provenance)
        started = perf_counter()
        with doing(f"scoring after epoch {epoch}", quick=self._scoring_seconds < QUICK_SECONDS):
            scores = self.drawn(self.training.sampling_generator, epoch).curve()
        self._scoring_seconds = perf_counter() - started
        return scores

    def save_generator(self, epoch: int) -> None:
        """Keep the sampling generator of an epoch."""
        self.training.save_generator(self.spec.folder.generator_checkpoint(epoch), {"epoch": epoch, **self.about()})

    def draw_samples(self, epoch: int) -> None:
        """Draw the sample grid of an epoch, from the same z every time."""
        reseed_for_own_code(self.spec.config, self.training.device, "samples", epoch)
        images = png.to_uint8(self.sample(self.spec.config.trainer.sample_images))
        path = self.spec.folder.samples_png(epoch)
        folder_below(self.spec.directory, "samples")
        with decoration(path):
            png.save_grid(path, images)
            self.logger.picture("samples", path, self.training.step)

    def drawn(self, generator: torch.nn.Module, epoch: int) -> Drawn:
        """The metrics of a generator of this run, as it was after `epoch`."""
        return Drawn(self.evaluator, self.spec.config, self._sampler(generator), epoch)

    def result(self, spec: RunSpec, rows: Sequence[Row], scores: Scores) -> dict[str, Any]:
        """result.json of `spec`, which ends with the last of `rows`."""
        return result(spec, rows, scores, self.evaluator, self.machine, self.elapsed())

    def elapsed(self) -> float:
        """Seconds of work on this run so far, over all its processes."""
        return self.earlier_seconds + perf_counter() - self.started

    def about(self) -> dict[str, Any]:
        """What every checkpoint says of its run."""
        shape = list(self.spec.dataset.image_shape)
        ids = {"run_id": self.spec.identity.run_id, "trajectory_id": self.spec.identity.trajectory_id}
        names = self.spec.dataset.class_names if self._label_counts is not None else None
        classes = {"class_names": list(names)} if names is not None else {}
        return {**ids, "image_shape": shape, "label_counts": self._label_counts, **classes}

    def _report(self, epoch: int, row: Row) -> None:
        seconds = self.training.train_seconds
        speed = float(row["images_seen"] or 0) / seconds if seconds else 0.0
        remaining = (self.spec.config.trainer.epochs - epoch) * seconds / max(epoch, 1)
        numbers = {"images_per_second": round(speed, 1), "seconds_left": round(remaining, 1)}
        self.lease.update(epoch=epoch, progress={**numbers, "step": self.training.step})
        self.progress.epoch(row)
