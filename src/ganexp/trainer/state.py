"""The state of training: weights, optimizers, the average, the step, and the epochs so far."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganexp.files import checkpoint
from ganexp.files.record import Row
from ganexp.trainer.copies import Copies
from ganexp.types import GAN, Optimizer
from ganexp.types.schedule import Moment, Schedule
from ganexp.types.system import WITHOUT_FLOAT64

SUMS = ("d_loss", "g_loss", "d_real", "d_fake", "weight")  # running sums over the images of the epoch in progress


VALUES = ("step", "train_seconds", "history")  # attributes that go to a checkpoint's metadata


class TrainState:
    """A training in progress; `save` and `restore` carry all of it.

    `make_optimizer_g` and `make_optimizer_d` map parameters to an optimizer. `schedules_g` and `schedules_d` map a
    setting of the optimizer to its factor over the training. `ema`: keep an average of the generator. `copies_of`:
    which of "generator" and "discriminator" compute with bfloat16 copies of their weights (`Copies`).
    """

    def __init__(
        self,
        gan: GAN,
        make_optimizer_g: Callable[[Any], Optimizer],
        make_optimizer_d: Callable[[Any], Optimizer],
        *,
        ema: bool,
        device: torch.device,
        schedules_g: Mapping[str, Schedule] | None = None,
        schedules_d: Mapping[str, Schedule] | None = None,
        copies_of: Collection[str] = (),
    ) -> None:
        self.gan = gan
        self.device = device
        self.generator: nn.Module = gan.generator.to(device)
        self.discriminator: nn.Module = gan.discriminator.to(device)
        self.optimizer_g = make_optimizer_g(self.generator.parameters())
        self.optimizer_d = make_optimizer_d(self.discriminator.parameters())
        self._schedules = (schedules_g or {}, schedules_d or {})
        self._unscheduled = [
            {name: float(optimizer.param_groups[0][name]) for name in schedules}
            for optimizer, schedules in zip((self.optimizer_g, self.optimizer_d), self._schedules, strict=True)
        ]
        self.average: nn.Module | None = copy.deepcopy(self.generator).requires_grad_(False) if ema else None
        self.copies_g = Copies(self.generator if "generator" in copies_of else None)
        self.copies_d = Copies(self.discriminator if "discriminator" in copies_of else None)
        self.step = 0
        self.train_seconds = 0.0
        precision = torch.float32 if device.type in WITHOUT_FLOAT64 else torch.float64
        self.sums = torch.zeros(len(SUMS), dtype=precision, device=device)
        self.history: list[Row] = []

    @property
    def begun(self) -> bool:
        """Whether steps were made whose row is not in the history yet."""
        return bool(self.sums[-1] > 0)

    def close(self, row: Row) -> None:
        """End the epoch in progress with its row."""
        self.history.append(row)
        self.sums.zero_()

    @property
    def sampling_generator(self) -> nn.Module:
        """The average of the generator where there is one, else the generator."""
        return self.average if self.average is not None else self.generator

    def apply_schedules(self, now: Moment) -> None:
        """Set the optimizers' scheduled settings for `now`."""
        optimizers = self._optimizers().values()
        for optimizer, schedules, values in zip(optimizers, self._schedules, self._unscheduled, strict=True):
            for name, schedule in schedules.items():
                for group in optimizer.param_groups:
                    group[name] = values[name] * schedule.at(now)

    def _modules(self) -> dict[str, nn.Module]:
        """The networks in a checkpoint, by the prefix of their tensors there."""
        modules = {"generator": self.generator, "discriminator": self.discriminator}
        return modules if self.average is None else {**modules, "average": self.average}

    def _optimizers(self) -> dict[str, Optimizer]:
        return {"optimizer_g": self.optimizer_g, "optimizer_d": self.optimizer_d}

    def packed(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The content of a checkpoint: tensors by name, not copied, and JSON-able values."""
        tensors: dict[str, Tensor] = {"sums": self.sums}
        for name, module in self._modules().items():
            tensors |= checkpoint.prefixed(name, checkpoint.module_state(module))
        scalars: dict[str, Any] = {}
        for name, optimizer in self._optimizers().items():
            packed, rest = checkpoint.pack_optimizer(name, optimizer)
            tensors |= packed
            scalars |= rest
        return tensors, {**{name: getattr(self, name) for name in VALUES}, "scalars": scalars}

    def save(self, path: Path, meta: dict[str, Any]) -> None:
        """Write everything to one checkpoint file."""
        tensors, state = self.packed()
        checkpoint.save(path, tensors, {**meta, **state})

    def restore(self, path: Path) -> dict[str, Any]:
        """Load a checkpoint file that `save` wrote, and return its metadata.

        Raises:
            CorruptCheckpointError: the file is damaged, or of other networks.
        """
        tensors, meta = checkpoint.load(path)
        self._check_fits(path, tensors, meta)
        self.unpack(tensors, meta)
        return meta

    def unpack(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Load what `packed` returned."""
        for name, module in self._modules().items():
            checkpoint.load_module(module, checkpoint.without_prefix(name, tensors))
        for name, optimizer in self._optimizers().items():
            checkpoint.unpack_optimizer(name, optimizer, tensors, meta["scalars"])
        self.sums = tensors["sums"].to(self.sums)
        for name in VALUES:
            setattr(self, name, meta[name])

    def start_from(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over the networks of another training, those that there are; an average starts from the generator's."""
        for name, module in self._modules().items():
            weights = checkpoint.without_prefix(name, tensors)
            if name == "average" and not weights:
                weights = checkpoint.without_prefix("generator", tensors)
            if weights:
                checkpoint.load_module(module, weights)

    def _check_fits(self, path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """CorruptCheckpointError for a checkpoint of other networks, before anything is changed."""
        missing = {"epoch", "scalars", *VALUES} - meta.keys()
        expected: dict[str, torch.Size | None] = {"sums": self.sums.shape}
        for name, module in self._modules().items():
            shapes = {key: getattr(value, "shape", None) for key, value in module.state_dict().items()}
            expected |= {f"{name}.{key}": shape for key, shape in shapes.items()}
        other = [n for n, shape in expected.items() if n not in tensors or shape not in (None, tensors[n].shape)]
        if missing or other:
            raise checkpoint.CorruptCheckpointError(f"{path}: not of this training ({[*missing, *other][0]})")

    def save_generator(self, path: Path, meta: dict[str, Any]) -> None:
        """Write the sampling generator alone."""
        checkpoint.save(path, checkpoint.module_state(self.sampling_generator), {**meta, "step": self.step})

    def finite(self) -> bool:
        """Whether every weight of both networks is finite."""
        parameters = [*self.generator.parameters(), *self.discriminator.parameters()]
        return all(bool(torch.isfinite(p.detach().sum())) or bool(torch.isfinite(p).all()) for p in parameters)
