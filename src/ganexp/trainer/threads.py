"""How many threads of torch the steps of a single run on a processor take.

Idle, a second one makes a step up to 1.6 times as fast; beside others' work it makes it several times slower: it waits,
spinning, for a core that is taken. So it is measured. Networks of linear layers, whose steps give equal bits with all
counts, let the counts take turns while they train. Others choose once for a machine and shape of step, and record it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import torch
from torch import nn

from ganexp.config.run_spec import RunSpec
from ganexp.dataset.place import user_cache
from ganexp.files import atomic
from ganexp.trainer.build import device
from ganexp.trainer.held import digest
from ganexp.trainer.rehearsal import Training, untouched
from ganexp.trainer.state import TrainState
from ganexp.types.doing import doing
from ganexp.types.errors import Interrupted, LeaseLost

VARIABLE = "OMP_NUM_THREADS"  # by which a user says how many
LEAST_STEPS = 500  # of a run whose threads are measured; a shorter one takes one
FASTER = 1.05  # how many times as fast another count must be to be taken
ROUNDS, WINDOW_STEPS, WINDOW_SECONDS = 2, 5, 0.1  # turns of a count in a trial; of each turn, at least
HOPELESS = 2.0  # how many times as slow, or as fast, a turn is that ends its trial
FEWEST_SECONDS, COST = 10.0, 40.0  # between two trials; and so many times what the last one cost
LONGEST_TURN, MOST_SECONDS = 1.5, 60.0  # of a turn and of measuring once, after which no further step is begun
SLOW = 1.5  # how many times as slow the last steps are when somebody came


class Threads:
    """The threads of the steps, one of `counts`; `most` outside of steps. The run's numbers belong to `recorded`."""

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
    best, pace, now = counts[0], 0.0, 0.0
    due, cost = dict.fromkeys(counts, 0.0), dict.fromkeys(counts, 0.0)  # when each is tried next, and what it lost
    while True:
        other = min((count for count in counts if count != best), key=lambda count: due[count])
        last: deque[float] = deque(maxlen=WINDOW_STEPS)
        while now < due[other]:
            last.append((yield best))
            now += last[-1]
            lost = sum(last) - len(last) * pace
            fewer = [count for count in counts if count < best and lost >= cost[count]]
            if fewer and len(last) == WINDOW_STEPS and min(last) > SLOW * pace:
                other = fewer[0]
                break
        means, cost[other], took = yield from _trial(best, other, last)
        now += took
        if means[other] * FASTER < means[best]:
            cost[best] = 2 * (means[best] - means[other])  # hopeless ones are soon given up
            due = dict.fromkeys(counts, now)  # beside another pace, the others are worth another look
            best, other = other, best
        pace, due[other] = means[best], now + max(FEWEST_SECONDS, COST * cost[other])


def _trial(
    best: int, other: int, known: Collection[float] = ()
) -> Generator[int, float, tuple[dict[int, float], float, float]]:
    """Let two counts take turns, beginning with the other one where the last steps of the best are `known`.

    Returns the mean seconds of a step with each, the seconds that the other one lost, and those of all steps. It ends
    with the first turn of the other one that is hopeless, or far ahead.
    """
    steps: dict[int, list[float]] = {best: list(known), other: []}
    cost = took = 0.0
    for count in ((other, best) if known else (best, other)) * ROUNDS:
        first = yield count  # in which its threads begin
        turn: list[float] = []
        while len(turn) < WINDOW_STEPS or sum(turn) < WINDOW_SECONDS:
            turn.append((yield count))
            most = HOPELESS * fmean(steps[best] or turn) * max(len(turn), WINDOW_STEPS)
            if sum(turn) > (min(most, LONGEST_TURN) if count == other else LONGEST_TURN):
                break
        steps[count] += turn
        took += first + sum(turn)
        if count == other:
            pace = fmean(steps[best])
            cost += first + sum(turn) - (1 + len(turn)) * pace
            if not pace / HOPELESS <= fmean(turn) <= pace * HOPELESS:
                break
    return {count: fmean(made) for count, made in steps.items()}, max(0.0, cost), took


def threads_for(
    spec: RunSpec,
    training: TrainState,
    steps: int,
    restored: Mapping[str, Any] | None,
    stop: Callable[[], bool] = lambda: False,
) -> Threads:
    """The threads of a run of so many steps, which goes on from the checkpoint of this metadata (None: from scratch).

    Nothing is measured, and torch's count stays, where `trainer.threads` or the environment says it, in a sweep, with
    `trainer.compile` (compiled code keeps the count that it was compiled for), and on a GPU. One thread is taken by
    runs under 500 steps and by those of `ganexp.train`, unless their record says another.

    Raises:
        Interrupted: `stop()` was true while it was measured.
    """
    most, trainer = torch.get_num_threads(), spec.config.trainer
    if trainer.threads or os.environ.get(VARIABLE) or trainer.compile or most == 1 or training.device.type != "cpu":
        return Threads([most], most)
    before = min(recorded(restored) or 0, most) or None
    if steps < LEAST_STEPS or spec.called:
        return Threads([before or 1], most)
    counts = sorted({1, min(2, most), most, before or 1})
    if not spec.config.has_own_code and is_linear(training) and equal_bits(spec, counts):
        return Threads(counts, most, before or most)
    return Threads([before or kept_or_measured(spec, counts, stop)], most)


def recorded(conditions: Mapping[str, Any] | None) -> int | None:
    """The count in a checkpoint's metadata, or in the result of a run that is read off; None where there is none."""
    found = ((conditions or {}).get("machine") or (conditions or {}).get("provenance") or {}).get("threads")
    return found if isinstance(found, int) and found > 0 else None


def is_linear(training: TrainState) -> bool:
    """Whether all weights of both networks are those of linear layers."""
    modules = [*training.generator.modules(), *training.discriminator.modules()]
    return all(isinstance(module, nn.Linear) for module in modules if list(module.parameters(recurse=False)))


def equal_bits(spec: RunSpec, counts: Sequence[int]) -> bool:
    """Whether the first step and that of the last batch give equal bits with all counts; on networks apart."""
    ends = []
    for count in counts:
        with apart(spec, count):
            training = Training(spec)
            training.step()
            training.state.step = training.batches.steps_per_epoch - 1
            training.step()
            ends.append({name: digest(tensor) for name, tensor in training.state.packed()[0].items()})
    return all(end == ends[0] for end in ends)


def kept_or_measured(spec: RunSpec, counts: Sequence[int], stop: Callable[[], bool] = lambda: False) -> int:
    """The count that is kept for this machine and shape of step; measured, on networks apart, where there is none.

    Raises:
        Interrupted: `stop()` was true.
    """
    path = _kept(spec, counts)
    with suppress(OSError, ValueError, TypeError):
        kept = json.loads(path.read_bytes()) if path is not None else None
        if isinstance(kept, dict) and kept.get("threads") in counts:
            return int(kept["threads"])
    try:
        with doing("measuring how many threads are fastest, once"):
            count, sure = _fastest(spec, counts, stop)
    except (Interrupted, LeaseLost):
        raise
    except Exception:  # of own code, or for want of memory: the run itself will meet it, or not
        return counts[0]
    with suppress(OSError):
        if path is not None and sure:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_json(path, {"threads": count})
    return count


def _fastest(spec: RunSpec, counts: Sequence[int], stop: Callable[[], bool]) -> tuple[int, bool]:
    """The fastest count, and whether there was time to measure all of them; all cores where there was none at all."""
    began, tried = perf_counter(), 0
    with apart(spec, counts[0]):
        training, best = Training(spec), counts[0]
        for other in counts[1:]:
            trial = _trial(best, other)
            count = next(trial)
            try:
                while perf_counter() - began < MOST_SECONDS:
                    if stop():
                        raise Interrupted
                    torch.set_num_threads(count)
                    started = perf_counter()
                    training.step()
                    count = trial.send(perf_counter() - started)
            except StopIteration as end:
                means = end.value[0]
                best, tried = other if means[other] * FASTER < means[best] else best, tried + 1
    return best if tried else counts[-1], tried == len(counts) - 1


@contextmanager
def apart(spec: RunSpec, threads: int) -> Iterator[None]:
    """Inside, torch has so many threads; they and the global generators are restored afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with untouched(device(spec.config.trainer.device)):
            yield
    finally:
        torch.set_num_threads(before)


def _kept(spec: RunSpec, counts: Sequence[int]) -> Path | None:
    """The file of the count for this machine and shape of step; None: own code, or no home directory."""
    config, trainer, folder = spec.config, spec.config.trainer, user_cache()
    if folder is None or config.has_own_code:
        return None
    networks = [dict(config.model.params), spec.dataset.image_shape, spec.dataset.num_classes]
    sizes = [trainer.batch_size, trainer.d_steps, trainer.real_batch, trainer.fake_batch, trainer.precision]
    machine = [platform.node(), torch.backends.cpu.get_cpu_capability(), torch.__version__]
    parts = [*(part.path for part in config.parts), trainer.ema_kimg is None]
    text = json.dumps([parts, networks, sizes, machine, list(counts)], default=str)
    return folder / f"threads-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
