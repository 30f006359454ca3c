"""Before any work, where own code takes part: do equal steps from equal states give equal results, also after loading?

Nothing of the run itself is touched: networks are built for the rehearsal alone, global generators are put back.
"""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganexp.config.own_code import sources
from ganexp.config.run_spec import RunSpec
from ganexp.config.target import is_own
from ganexp.files.code_record import NOT_REPRODUCIBLE
from ganexp.trainer import Batches, Game, TrainState
from ganexp.trainer.build import build_batches, build_game, build_state, device
from ganexp.trainer.held import digest, held, is_generator, shown
from ganexp.trainer.sampling import sampler
from ganexp.trainer.step import train_step
from ganexp.types.errors import ConfigError
from ganexp.types.rng import derive, reseed

HELPS = (
    "what a step depends on must be in a buffer (register_buffer) or in get_extra_state, and random numbers drawn from "
    "torch, random or numpy.random, which are seeded at each step; own_code_random=allow trains it all the same"
)

MOST_TOLD = 4
"""Places that are named in one sentence."""

FEW = 16
"""Numbers in a buffer from which on it can be a generator's state, and no counter."""


@dataclass(frozen=True)
class Rehearsal:
    """What was noticed.

    Attributes:
        problems: why the run's numbers could not be had again; empty where they can.
        shared: what its training has in common with that of another seed.
        step_seconds: of one training step.
    """

    problems: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    step_seconds: float = 0.0


@dataclass
class _Training:
    """One training from a seed, with all that its own code holds."""

    state: TrainState
    batches: Batches
    game: Game
    seed: int

    def step(self) -> None:
        reseed(self.state.device, derive(self.seed, "step", self.state.step), everywhere=True)
        train_step(self.state, self.batches.at(self.state.step), self.game)
        self.state.step += 1

    def content(self) -> dict[str, str]:
        """Where -> what, of weights and buffers; those of optimizers show in the weights after the next step."""
        tensors, _ = self.state.packed()
        return {name: str(shown(each) or each) for name, each in tensors.items() if not name.startswith("optimizer_")}

    def held(self) -> dict[str, str]:
        """Where -> what, of all that a checkpoint does not hold."""
        state = self.state
        roots: dict[str, Any] = {"generator": state.generator, "discriminator": state.discriminator, "game": self.game}
        optimizers = {"optimizer_g": state.optimizer_g, "optimizer_d": state.optimizer_d}
        for name, optimizer in optimizers.items():
            if is_own(type(optimizer).__module__):
                roots[name] = {key: value for key, value in vars(optimizer).items() if key != "state"}
        return held(roots)


def rehearse(spec: RunSpec) -> Rehearsal:
    """Two steps of a run, as often as it takes to see whether they can be had again.

    Raises:
        Exception: whatever own code raises when it is first built and trained; the run would meet it too.
    """
    with _untouched(device(spec.config.trainer.device)):
        first = _built(spec)
        start = first.content()
        first.step()
        tensors, values = copy.deepcopy(first.state.packed())
        drawn = _drawn()
        started = perf_counter()
        first.step()
        seconds = perf_counter() - started
        try:
            problems = _repeated(spec, first, start, (tensors, values))
            shared = _with_another_seed(spec, start, tensors, drawn, first.held())
        except Exception as error:
            problems, shared = [f"built once more, it ends in {type(error).__name__}: {error}"], []
    return Rehearsal(tuple(problems), tuple(shared), seconds)


def refuse(spec: RunSpec, found: Rehearsal) -> None:
    """Refuse a run whose own code cannot give the same numbers again.

    Raises:
        ConfigError: unless `own_code_random=allow`.
    """
    if found.problems and spec.config.own_code_random == "refuse":
        own = ", ".join(dict.fromkeys(spec.config.own_targets))
        raise ConfigError(f"{NOT_REPRODUCIBLE} ({own}): {'; '.join(found.problems)}; {HELPS}")


def _repeated(spec: RunSpec, first: _Training, start: Mapping[str, str], saved: Any) -> list[str]:
    """What goes otherwise when the same two steps are made again: in one go, and from what was saved between them."""
    own = {name: sys.modules[name] for name in sources(spec.config.own_targets) if name in sys.modules}
    end, kept, around = first.content(), first.held(), held(own)
    again = _built(spec)
    problems = [f"built twice from one seed, {_places(start, again.content())} differ"]
    problems = problems if start != again.content() else []
    again.step()
    again.step()
    if not problems and end != again.content():
        problems += [f"equal steps from equal states give other numbers ({_places(end, again.content())} differ)"]
    moved = {name for name, text in held(own).items() if around.get(name) != text}
    if moved:
        problems += [f"{_some(moved)} go on changing with every step, beside what a checkpoint holds"]
    uneven = {name for name, text in again.held().items() if kept.get(name) != text}
    loaded = _built(spec)
    loaded.state.unpack(*saved)
    loaded.step()
    unsaved = {name for name, text in loaded.held().items() if kept.get(name) != text} - uneven
    if unsaved:
        problems += [f"{_some(unsaved)} change with every step, and are not in the state_dict"]
    if not problems and (other := _places(end, loaded.content())):
        problems += [f"a step after saving and loading gives other numbers ({other} differ)"]
    if not problems and _images(first) != _images(loaded):
        problems += ["the generator's images of equal latent vectors differ"]
    return problems


def _with_another_seed(
    spec: RunSpec,
    start: Mapping[str, str],
    saved: Mapping[str, Tensor],
    drawn: Mapping[str, bytes],
    kept: Mapping[str, str],
) -> list[str]:
    """What a training from another seed has in common with this one.

    Args:
        spec: this one.
        start: its content before the first step.
        saved: its tensors after the first step.
        drawn: where the global generators were then.
        kept: what its own code held after the second step.
    """
    other = _built(replace(spec, config=replace(spec.config, seed=spec.config.seed + 1)))
    begun, weights = other.content(), _weights(other.state)
    equal = [name for name in weights if start.get(name) == begun.get(name)]
    other.step()
    where = [f"{name}, which own code seeds itself" for name, place in _drawn().items() if place == drawn[name]]
    buffers = {
        name: digest(tensor)
        for name, tensor in other.state.packed()[0].items()
        if tensor.numel() >= FEW and not name.startswith("optimizer") and name not in weights
    }
    same = {name for name, now in buffers.items() if now == digest(saved[name]) and now != start.get(name)}
    generators = {name: text for name, text in other.held().items() if is_generator(text)}
    if generators:
        other.step()
        after = other.held()
        same |= {n for n, text in generators.items() if after.get(n, text) != text and after[n] == kept.get(n)}
    found = [f"they start from the same weights ({_some(equal)})"] if equal else []
    return found + [f"they draw the same numbers from {each}" for each in (*where, *([_some(same)] if same else []))]


def _built(spec: RunSpec) -> _Training:
    """Networks and rules anew, without torch.compile, which changes nothing of what own code holds."""
    plain = replace(spec, config=replace(spec.config, trainer=replace(spec.config.trainer, compile=None)))
    return _Training(build_state(plain), build_batches(plain), build_game(plain), plain.config.seed)


def _weights(state: TrainState) -> set[str]:
    """Names of the weights that are not one number throughout, as biases are at the start."""
    nets = {"generator": state.generator, "discriminator": state.discriminator}
    named = {f"{net}.{name}": p for net, module in nets.items() for name, p in module.named_parameters()}
    return {name for name, p in named.items() if p.numel() > 1 and bool((p != p.reshape(-1)[0]).any())}


def _images(training: _Training) -> str:
    state, gan = training.state, training.state.gan
    reseed(state.device, derive(training.seed, "samples"), everywhere=True)
    counts = training.batches.label_counts(gan.num_classes)
    return digest(sampler(state.sampling_generator, gan.latent, gan.latent_dim, state.device, label_counts=counts)(8))


def _drawn() -> dict[str, bytes]:
    """Where the global generators are."""
    legacy: Any = np.random.get_state()
    return {
        "torch's generator": torch.get_rng_state().numpy().tobytes(),
        "Python's generator": repr(random.getstate()).encode(),
        "numpy's generator": legacy[1].tobytes() + repr(legacy[2:]).encode(),
    }


def _places(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    return _some({name for name in {*before, *now} if before.get(name) != now.get(name) and name != "sums"})


def _some(names: Any) -> str:
    """Names in one phrase; of many, the first."""
    ordered = sorted(names)
    more = f" and {len(ordered) - MOST_TOLD} more" if len(ordered) > MOST_TOLD else ""
    return ", ".join(ordered[:MOST_TOLD]) + more


@contextmanager
def _untouched(where: torch.device) -> Iterator[None]:
    """Global generators as they were, afterwards; on a GPU, algorithms that give the same bits, meanwhile."""
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
