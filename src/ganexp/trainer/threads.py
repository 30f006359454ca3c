"""How many threads of torch the steps of a single run on a processor take.

Idle, further threads make a step up to 1.6 times as fast on two cores. On a machine that others use they make it
several times slower: they wait, spinning, for a core that is taken. So it is measured. Where equal steps give equal
bits with all counts, as networks of linear layers do, the count is free: the counts take turns, from the first steps
on and again while it trains, and the fastest goes on. Elsewhere one count is chosen once for a machine and a step of
this shape, kept in the user's cache and recorded with the run, which a resumed or longer run takes over.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import nn

from ganexp.config.run_spec import RunSpec
from ganexp.dataset.place import user_cache
from ganexp.files import atomic
from ganexp.trainer.build import device
from ganexp.trainer.rehearsal import Training, untouched
from ganexp.trainer.state import TrainState

LEAST_STEPS = 500  # of a run whose threads are measured; a shorter one takes one
FASTER = 1.05  # how many times as fast another count must be to be taken
ROUNDS, WINDOW_STEPS, WINDOW_SECONDS = 2, 5, 0.1  # turns of a count in a trial; of each turn, at least
HOPELESS = 2.0  # how many times as slow a turn is that ends its trial
FEWEST_SECONDS, COST = 10.0, 40.0  # between two trials; and so many times what the last one cost
SLOW, SLOW_STEPS = 1.5, 10  # how many times as slow, how many steps in a row: somebody came, and it is tried again


class Threads:
    """The threads of the steps: one of `counts`, in turn the fastest where there are several.

    Outside of steps torch has `most`. `recorded` is the count that the run's numbers belong to.
    """

    def __init__(
        self, counts: Sequence[int], most: int, recorded: int | None = None, clock: Callable[[], float] = perf_counter
    ) -> None:
        self.most, self.count, self.recorded = most, counts[0], recorded or counts[0]
        self._turns = turns(counts) if len(counts) > 1 else None
        self._clock = clock
        self._began = 0.0  # the last step
        if self._turns is not None:
            self.count = next(self._turns)

    def go(self) -> None:
        """Before each step."""
        if torch.get_num_threads() != self.count:
            torch.set_num_threads(self.count)
        if self._turns is not None:
            self._began = self._clock()

    def step_done(self) -> None:
        """After each step."""
        if self._turns is not None:
            self.count = self._turns.send(self._clock() - self._began)

    def rest(self) -> None:
        """Before something else is done than steps."""
        torch.set_num_threads(self.most)


def turns(counts: Sequence[int]) -> Generator[int, float, None]:
    """The count for each step to come; is sent the seconds of the one that was made."""
    best, pace, cost, patience = counts[0], 0.0, 0.0, 0.0
    for other in cycle(counts):
        if other == best:
            continue
        spent, slow = 0.0, 0
        while spent < patience and not (slow >= SLOW_STEPS and spent >= COST * cost):
            seconds = yield best
            spent += seconds
            slow = slow + 1 if best > 1 and seconds > SLOW * pace else 0
        means, cost = yield from _trial(best, other)
        if means[other] * FASTER < means[best]:
            best = other
        pace, patience = means[best], max(FEWEST_SECONDS, COST * cost)


def _trial(best: int, other: int) -> Generator[int, float, tuple[dict[int, float], float]]:
    """Let two counts take turns; the mean seconds of a step with each, and the seconds that the other one lost."""
    steps: dict[int, list[float]] = {best: [], other: []}
    cost, hopeless = 0.0, False
    for count in (best, other) * ROUNDS:
        first = yield count  # in which its threads begin
        turn: list[float] = []
        while (len(turn) < WINDOW_STEPS or sum(turn) < WINDOW_SECONDS) and not hopeless:
            turn.append((yield count))
            most = HOPELESS * _mean(steps[best] or turn) * max(len(turn), WINDOW_STEPS)
            hopeless = count == other and sum(turn) > most
        steps[count] += turn
        if count == other:
            cost += first + sum(turn) - (1 + len(turn)) * _mean(steps[best])
        if hopeless:
            break
    return {count: _mean(made) for count, made in steps.items()}, max(0.0, cost)


def _mean(seconds: Sequence[float]) -> float:
    return sum(seconds) / len(seconds)


def threads_for(spec: RunSpec, training: TrainState, steps: int, restored: Mapping[str, Any] | None) -> Threads:
    """The threads of a run of so many steps, which goes on from the checkpoint of this metadata (None: from scratch).

    Nothing is measured, and torch's count stays, where `trainer.threads` or the environment says it, in a sweep, with
    `trainer.compile` (compiled code keeps the count that it was compiled for), and on a GPU. One thread is taken by
    runs under 500 steps and by those of `ganexp.train`, unless their record says another.
    """
    most = torch.get_num_threads()
    trainer = spec.config.trainer
    if trainer.threads or trainer.compile or most == 1 or training.device.type != "cpu":
        return Threads([most], most)
    before = ((restored or {}).get("machine") or {}).get("threads")
    before = min(before, most) if isinstance(before, int) and before > 0 else None
    if steps < LEAST_STEPS or spec.called:
        return Threads([before or 1], most)
    counts = sorted({1, min(2, most), most, before or 1})
    if not spec.config.has_own_code and is_linear(training) and equal_bits(spec, counts):
        return Threads(counts, most, before or most)
    return Threads([before or kept_or_measured(spec, counts)], most)


def is_linear(training: TrainState) -> bool:
    """Whether all weights of both networks are those of linear layers."""
    nets = (training.generator, training.discriminator)
    modules = [module for net in nets for module in net.modules() if list(module.parameters(recurse=False))]
    return all(isinstance(module, nn.Linear) for module in modules)


def equal_bits(spec: RunSpec, counts: Sequence[int]) -> bool:
    """Whether the first step and that of the last batch give equal weights with all counts; on networks apart."""
    ends = []
    for count in counts:
        with _with(count, spec):
            training = Training(spec)
            training.step()
            training.state.step = training.batches.steps_per_epoch - 1
            training.step()
            ends.append(training.content())
    return all(end == ends[0] for end in ends)


def kept_or_measured(spec: RunSpec, counts: Sequence[int]) -> int:
    """The count that is kept for this machine and shape of step; measured, on networks apart, where there is none."""
    path = _kept(spec, counts)
    with suppress(OSError, ValueError, TypeError):
        kept = json.loads(path.read_bytes()) if path is not None else None
        if isinstance(kept, dict) and kept.get("threads") in counts:
            return int(kept["threads"])
    try:
        count = _fastest(spec, counts)
    except Exception:  # own code, which the run itself will meet
        return counts[-1]
    with suppress(OSError):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_json(path, {"threads": count})
    return count


def _fastest(spec: RunSpec, counts: Sequence[int]) -> int:
    with _with(counts[0], spec):
        training = Training(spec)
        best, trials = counts[0], [other for other in counts if other != counts[0]]
        for other in trials:
            trial = _trial(best, other)
            count = next(trial)
            try:
                while True:
                    torch.set_num_threads(count)
                    started = perf_counter()
                    training.step()
                    count = trial.send(perf_counter() - started)
            except StopIteration as end:
                means, _ = end.value
                best = other if means[other] * FASTER < means[best] else best
    return best


@contextmanager
def _with(count: int, spec: RunSpec) -> Iterator[None]:
    """Inside, torch has so many threads, and no random state is touched."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with untouched(device(spec.config.trainer.device)):
            yield
    finally:
        torch.set_num_threads(before)


def _kept(spec: RunSpec, counts: Sequence[int]) -> Path | None:
    """The file of the count that is kept for this machine and shape of step; None where there is no home."""
    config, trainer = spec.config, spec.config.trainer
    parts = [(target.path, dict(target.params)) for target in config.parts if target is not config.dataset]
    sizes = [spec.dataset.image_shape, spec.dataset.num_classes, trainer.batch_size, trainer.d_steps]
    machine = [platform.machine(), platform.processor(), torch.backends.cpu.get_cpu_capability(), torch.__version__]
    text = json.dumps([parts, sizes, trainer.precision, trainer.compile, machine, list(counts)], default=str)
    folder = user_cache()
    return None if folder is None else folder / f"threads-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
