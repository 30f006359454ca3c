"""Before any work, where own code takes part: do equal steps from equal states give equal results, also after loading?

Nothing of the run itself is touched: networks are built for the rehearsal alone, global generators are restored.
"""

from __future__ import annotations

import copy
import logging
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganexp.config.run_spec import RunSpec
from ganexp.config.target import is_own
from ganexp.files.code_record import NOT_REPRODUCIBLE, CodeRecord
from ganexp.files.source_files import sources
from ganexp.trainer.batches import Batches
from ganexp.trainer.build import build_batches, build_game, build_state, device
from ganexp.trainer.check_parts import check_parts
from ganexp.trainer.held import digest, held, is_generator, state_of
from ganexp.trainer.sampling import GeneratorSampler, sampler
from ganexp.trainer.state import TrainState
from ganexp.trainer.step import Game, train_step
from ganexp.types.errors import ConfigError
from ganexp.types.rng import derive, reseed

log = logging.getLogger("ganexp")

HELPS = (
    "what a step depends on must be in a buffer (register_buffer) or in get_extra_state, and random numbers drawn from "
    "torch, random or numpy.random, which are seeded at each step; own_code_random=allow trains it all the same"
)

MOST_NAMED = 4  # places named in one sentence
FEW = 16  # a buffer of at least so many numbers can be a generator's state; a smaller one counts as a counter
Texts = Mapping[str, str]  # place -> its content; equal texts for equal values


class _Snapshot(NamedTuple):
    """The tensors of a training, and values of own code beside them, which no checkpoint has."""

    tensors: Texts
    held: Texts


class Training:
    """One training of a run from its seed."""

    def __init__(self, spec: RunSpec) -> None:
        # without torch.compile, which changes nothing of what own code holds
        plain = replace(spec, config=replace(spec.config, trainer=replace(spec.config.trainer, compile=None)))
        self.state: TrainState = build_state(plain)
        self.batches: Batches = build_batches(plain)
        self.game: Game = build_game(plain)
        self.seed = plain.config.seed

    def step(self) -> None:
        """One training step."""
        reseed(self.state.device, derive(self.seed, "step", self.state.step), everywhere=True)
        train_step(self.state, self.batches.at(self.state.step), self.game)
        self.state.step += 1

    @property
    def sampler(self) -> GeneratorSampler:
        """Images of the generator as it is."""
        gan, counts = self.state.gan, self.batches.label_counts(self.state.gan.num_classes)
        return sampler(
            self.state.sampling_generator, gan.latent, gan.latent_dim, self.state.device, label_counts=counts
        )

    def tensors(self) -> dict[str, Tensor]:
        """Weights and buffers; the optimizers' show in the weights after the next step."""
        tensors, _ = self.state.packed()
        return {name: tensor for name, tensor in tensors.items() if not name.startswith("optimizer_")}

    def weights(self) -> set[str]:
        """Names of the weights whose elements are not all equal, as those of biases are at the start."""
        nets = {"generator": self.state.generator, "discriminator": self.state.discriminator}
        weights = {f"{net}.{name}": p for net, module in nets.items() for name, p in module.named_parameters()}
        return {name for name, p in weights.items() if p.numel() > 1 and bool((p != p.reshape(-1)[0]).any())}

    def content(self) -> dict[str, str]:
        """A digest of each tensor."""
        return {name: digest(tensor) for name, tensor in self.tensors().items()}

    def snapshot(self) -> _Snapshot:
        """Digests of tensors, and of what own code holds beside them."""
        state = self.state
        roots: dict[str, Any] = {"generator": state.generator, "discriminator": state.discriminator, "game": self.game}
        for name, optimizer in (("optimizer_g", state.optimizer_g), ("optimizer_d", state.optimizer_d)):
            if is_own(type(optimizer).__module__):
                roots[name] = {key: value for key, value in vars(optimizer).items() if key != "state"}
        return _Snapshot(self.content(), held(roots))

    def images(self) -> str:
        """A digest of some images of equal latent vectors."""
        reseed(self.state.device, derive(self.seed, "samples"), everywhere=True)
        return digest(self.sampler(8))


def rehearsed(spec: RunSpec, code: CodeRecord) -> tuple[CodeRecord, float | None]:
    """`code` with the result of a rehearsal, and the seconds of a step.

    Where own code raises, the record stays as it is and the time is None: the run raises the same error with its
    traceback.

    Raises:
        ConfigError: own parts return what no training can use (`ganexp.trainer.check_parts`), or the run's numbers are
            not reproducible, unless `own_code_random=allow`.
    """
    with untouched(device(spec.config.trainer.device)):
        check_parts(spec)
    try:
        problems, shared, seconds = rehearse(spec)
    except Exception:
        return code, None
    if problems and spec.config.own_code_random == "refuse":
        own = ", ".join(dict.fromkeys(spec.config.own_targets))
        raise ConfigError(f"{NOT_REPRODUCIBLE} ({own}): {'; '.join(problems)}; {HELPS}")
    for common in shared:
        log.warning("own code: seeds are not independent: %s", common)
    return replace(code, problems=tuple(problems), shared=tuple(shared)), seconds


def rehearse(spec: RunSpec) -> tuple[list[str], list[str], float]:
    """Repeat two steps of a run, as often as it takes to see whether they are reproducible.

    Returns:
        Why the run is not reproducible; what its training has in common with that of another seed; seconds of one
        training step.

    Raises:
        Exception: whatever own code raises when it is first built and trained; the run would meet it too.
    """
    with untouched(device(spec.config.trainer.device)):
        first = Training(spec)
        start = first.content()
        first.step()
        saved, drawn = copy.deepcopy(first.state.packed()), _drawn()
        started = perf_counter()
        first.step()
        seconds = perf_counter() - started
        try:
            end = first.snapshot()
            return _problems(spec, first, start, end, saved), _shared(spec, start, drawn, end), seconds
        except Exception as error:
            return [f"built once more, it ends in {type(error).__name__}: {error}"], [], seconds


def _problems(spec: RunSpec, first: Training, start: Texts, end: _Snapshot, saved: Any) -> list[str]:
    """Differences when the same two steps are repeated: in one go, and from the state saved between them."""
    modules = {name: sys.modules[name] for name in sources(spec.config.own_targets) if name in sys.modules}
    globals_before = held(modules)
    again = Training(spec)
    again_start = again.content()
    again.step()
    again.step()
    again_end = again.snapshot()
    moved = _changed(globals_before, held(modules))
    loaded = Training(spec)
    loaded.state.unpack(*saved)
    loaded.step()
    loaded_end = loaded.snapshot()
    unsaved = _changed(end.held, loaded_end.held) - _changed(end.held, again_end.held)
    problems = []
    if start != again_start:
        problems += [f"built twice from one seed, {_differing(start, again_start)} differ"]
    elif end.tensors != again_end.tensors:
        differing = _differing(end.tensors, again_end.tensors)
        problems += [f"equal steps from equal states give other numbers ({differing} differ)"]
    if moved:
        problems += [f"{_some(moved)} go on changing with every step, beside what a checkpoint holds"]
    if unsaved:
        problems += [f"{_some(unsaved)} change with every step, and are not in the state_dict"]
    if not problems and (other := _differing(end.tensors, loaded_end.tensors)):
        problems += [f"a step after saving and loading gives other numbers ({other} differ)"]
    if not problems and first.images() != loaded.images():
        problems += ["the generator's images of equal latent vectors differ"]
    return problems


def _shared(spec: RunSpec, start: Texts, drawn: Texts, end: _Snapshot) -> list[str]:
    """Properties that a training from another seed shares with this one.

    This one is known by its tensors at the start, the states of the global generators that it had `drawn` from in the
    first step, and its snapshot at the end of the second.
    """
    other = Training(replace(spec, config=replace(spec.config, seed=spec.config.seed + 1)))
    other_start, weights = other.content(), other.weights()
    equal = [name for name in weights if start.get(name) == other_start.get(name)]
    common = [f"they start from the same weights ({_some(equal)})"] if equal else []
    other.step()
    seeded = [name for name, state in _drawn().items() if state == drawn[name]]
    common += [f"they draw the same numbers from {name}, which own code seeds itself" for name in seeded]
    middle = other.snapshot()
    other.step()
    other_end = other.snapshot()
    buffers = [name for name, tensor in other.tensors().items() if tensor.numel() >= FEW and name not in weights]
    same = {name for name in buffers if other_end.tensors[name] == end.tensors.get(name) != start.get(name)}
    generators = {name: text for name, text in other_end.held.items() if is_generator(text)}
    same |= {name for name, text in generators.items() if text == end.held.get(name) != middle.held.get(name)}
    return common + ([f"they draw the same numbers from {_some(same)}"] if same else [])


def _drawn() -> dict[str, str]:
    generators = {"torch": torch.default_generator, "Python": random, "numpy": np.random}
    return {f"{name}'s generator": state_of(generator) for name, generator in generators.items()}


def _changed(before: Texts, now: Texts) -> set[str]:
    """Places of `now` that are new or differ from `before`."""
    return {name for name, text in now.items() if before.get(name) != text}


def _differing(one: Texts, other: Texts) -> str:
    return _some((_changed(one, other) | _changed(other, one)) - {"sums"})


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - MOST_NAMED} more" if len(ordered) > MOST_NAMED else ""
    return ", ".join(ordered[:MOST_NAMED]) + more


@contextmanager
def untouched(where: torch.device) -> Iterator[None]:
    """Global generators are restored afterwards; on a GPU, algorithms are deterministic inside."""
    python, legacy = random.getstate(), np.random.get_state()
    strict, cudnn = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic
    devices = [where] if where.type == "cuda" else []
    with torch.random.fork_rng(devices):
        try:
            if devices:
                torch.use_deterministic_algorithms(True, warn_only=True)
                torch.backends.cudnn.deterministic = True
            yield
        finally:
            torch.use_deterministic_algorithms(strict)
            torch.backends.cudnn.deterministic = cudnn
            random.setstate(python)
            np.random.set_state(legacy)
