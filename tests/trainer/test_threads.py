"""The threads of a single run: chosen by time on a machine whose load changes, without a change of the numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ganexp.config.run_spec import RunSpec
from ganexp.files import checkpoint
from ganexp.files.run_folder import RunFolder
from ganexp.trainer import run, threads
from ganexp.trainer.build import build_state
from ganexp.trainer.threads import Threads, equal_bits, threads_for, turns
from ganexp.types.errors import Interrupted
from helpers import TINY, make_spec

MANY = (
    *(text for text in TINY if not text.startswith(("trainer.threads", "model.", "trainer.batch_size"))),
    "dataset.num_images=200",
    "trainer.batch_size=100",
)
LINEAR = ("model.generator_widths=[256,512]", "model.discriminator_width=256")
CONVOLUTIONS = ("model=dcgan", "model.width=4")


@pytest.fixture(autouse=True)
def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine of two cores, a cache of its own, and no run that is too short."""
    monkeypatch.setattr("ganexp.trainer.build.cores", lambda: 2)
    monkeypatch.setattr(threads, "LEAST_STEPS", 2)
    monkeypatch.setattr(threads, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.fixture
def spec(tmp_path: Path, data_root: Path) -> Callable[..., RunSpec]:
    def make(*overrides: str) -> RunSpec:
        return make_spec(tmp_path, *MANY, f"dataset.root={data_root}", *overrides, in_sweep=False)

    return make


def spent(seconds: Callable[[int, float], float], steps: int, counts: tuple[int, ...] = (1, 2)) -> tuple[float, dict]:
    """Seconds of so many steps, each of `seconds(count, now)`; and how many were made with each count."""
    chooser, now, made = turns(counts), 0.0, dict.fromkeys(counts, 0)
    count = next(chooser)
    for _ in range(steps):
        took = seconds(count, now)
        now += took
        made[count] += 1
        count = chooser.send(took)
    return now, made


@pytest.mark.parametrize("step", [0.001, 0.04])
@pytest.mark.parametrize("gain", [0.04, 0.25, 0.9, 1.3, 1.6])
def test_the_faster_count_makes_nearly_all_steps(step: float, gain: float) -> None:
    steps = int(200 / step)
    seconds, made = spent(lambda count, _: step / (gain if count == 2 else 1.0), steps)
    assert seconds < 1.06 * step * steps / max(1.0, gain)
    assert made[2 if gain > 1 else 1] > 0.95 * steps


def test_of_many_cores_the_best_is_found() -> None:
    pace = {1: 0.04, 2: 0.025, 16: 0.03}
    _, made = spent(lambda count, _: pace[count], 4000, (1, 2, 16))
    assert made[2] > 0.9 * 4000


def test_when_others_come_fewer_threads_are_tried_at_once() -> None:
    idle, busy = {1: 0.4, 2: 0.22, 16: 0.05}, {1: 0.5, 2: 1.2, 16: 5.0}
    chooser, now, first = turns((1, 2, 16)), 0.0, None
    count = next(chooser)
    while now < 400:
        took = (idle if now < 90 else busy)[count]
        now += took
        if now > 90 and count == 1 and first is None:
            first = now
        count = chooser.send(took)
    assert first is not None and first < 120, "five slow steps of 5 s, and fewer threads are next"


def test_a_machine_that_others_begin_and_cease_to_use() -> None:
    def seconds(count: int, now: float) -> float:
        busy = 60 < now < 120
        return 0.04 * (2.0 if busy else 1.0) * ((10.0 if busy else 0.7) if count == 2 else 1.0)

    counts: list[tuple[float, int]] = []
    chooser, now = turns((1, 2)), 0.0
    count = next(chooser)
    while now < 240:
        took = seconds(count, now)
        now += took
        counts.append((now, count))
        count = chooser.send(took)
    share = lambda begin, end: np.mean([count == 2 for now, count in counts if begin < now < end])  # noqa: E731
    assert share(5, 60) > 0.9
    assert share(75, 120) < 0.1, "the first slow steps begin a trial"
    assert share(200, 240) > 0.9


@pytest.mark.parametrize("step", [0.001, 0.3, 2.0, 6.0])
def test_measuring_once_finds_the_fastest_whatever_a_step_takes(
    step: float, spec: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, used = [0.0], [1]

    class Stepping:
        def __init__(self, _: object) -> None: ...

        def step(self) -> None:
            now[0] += step / {1: 1.0, 2: 1.6, 16: 9.0}[used[0]]

    monkeypatch.setattr(threads, "Training", Stepping)
    monkeypatch.setattr(threads, "perf_counter", lambda: now[0])
    monkeypatch.setattr("torch.set_num_threads", lambda count: used.__setitem__(0, count))
    assert threads._fastest(spec(*CONVOLUTIONS), [1, 2, 16], lambda: False) == (16, True)


def test_linear_networks_choose_freely_and_give_equal_numbers(
    spec: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch, no_losses_figure: None
) -> None:
    used: list[int] = []
    monkeypatch.setattr(threads, "turns", lambda counts: _each(counts, used))
    alone = spec(*LINEAR, "trainer.threads=1")
    run.execute(alone)
    numbers = RunFolder(alone.directory).rows()
    if not equal_bits(alone, [1, 2]):
        pytest.skip("this library of linear algebra splits sums by threads")
    weights = _weights(alone)
    alone.directory.rename(alone.directory.with_name("alone"))
    torch.set_num_threads(2)
    free = spec(*LINEAR)
    assert free.identity.run_id == alone.identity.run_id
    run.execute(free)
    assert {1, 2} <= set(used)
    keys = ("d_loss", "g_loss", "d_real", "d_fake")
    assert [[row[key] for key in keys] for row in RunFolder(free.directory).rows()] == [
        [row[key] for key in keys] for row in numbers
    ]
    assert all(torch.equal(weights[name], tensor) for name, tensor in _weights(free).items())
    assert torch.get_num_threads() == 2, "outside of steps all of them"
    assert (RunFolder(free.directory).result() or {})["provenance"]["threads"] == 2


def _weights(spec: RunSpec) -> dict[str, torch.Tensor]:
    return checkpoint.load(RunFolder(spec.directory).state_checkpoints()[-1])[0]


def _each(counts: tuple[int, ...], used: list[int]) -> Iterator[int]:
    while True:
        for count in counts:
            used.append(count)
            yield count


def test_one_thread_and_two_give_equal_bits_with_linear_layers(spec: Callable[..., RunSpec]) -> None:
    asked = spec(*LINEAR)
    if not equal_bits(asked, [1, 2]):
        pytest.skip("this library of linear algebra splits sums by threads")
    assert threads_for(asked, build_state(asked), 1000, None)._turns is not None


def test_where_bits_differ_one_is_chosen_once(spec: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = spec(*LINEAR)
    real = threads.digest
    monkeypatch.setattr(threads, "digest", lambda tensor: real(tensor) + str(torch.get_num_threads()))
    assert not equal_bits(asked, [1, 2])
    monkeypatch.setattr(threads, "_fastest", lambda *_: (2, True))
    chosen = threads_for(asked, build_state(asked), 1000, None)
    assert (chosen._turns, chosen.count, chosen.recorded) == (None, 2, 2)
    assert threads_for(asked, build_state(asked), 1000, {"machine": {"threads": 1}}).count == 1


def test_convolutions_choose_once_and_a_record_comes_first(
    spec: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = spec(*CONVOLUTIONS)
    state = build_state(asked)
    pace = iter([2] + [1] * 9)
    monkeypatch.setattr(threads, "_fastest", lambda *_: (next(pace), True))
    assert [threads_for(asked, state, 1000, None).count for _ in range(2)] == [2, 2], "measured once"
    (kept,) = (tmp_path / "cache").iterdir()
    assert threads_for(asked, state, 1000, {"machine": {"threads": 1}}).count == 1
    assert threads_for(asked, state, 1, {"machine": {"threads": 2}}).count == 2
    other = spec(*CONVOLUTIONS, "trainer.batch_size=50")
    assert threads_for(other, build_state(other), 1000, None).count == 1, "another shape of step"
    for damage in ("", "[]", '{"threads": 64}', '{"threads": "2"}'):
        kept.write_text(damage)
        assert threads_for(asked, state, 1000, None).count == 1, "measured again"


def test_measuring_touches_no_random_state(spec: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "WINDOW_SECONDS", 0.01)
    asked = spec(*CONVOLUTIONS)
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1])
    assert threads.kept_or_measured(asked, [1, 2]) in (1, 2)
    assert equal_bits(asked, [1, 1])
    after = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1])
    assert torch.equal(before[0], after[0]) and before[1] == after[1] and np.array_equal(before[2], after[2])
    assert torch.get_num_threads() == 2


def test_where_nothing_is_measured(spec: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "equal_bits", lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(threads, "kept_or_measured", lambda *_: pytest.fail("measured"))
    asked = spec(*LINEAR)
    state = build_state(asked)
    assert threads_for(asked, state, 1, None).count == 1, "a short run"
    assert threads_for(replace(asked, called=True), state, 1000, None).count == 1, "ganexp.train"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads_for(asked, state, 1000, None).count == 2, "the user says so"
    monkeypatch.delenv("OMP_NUM_THREADS")
    for stays in ("trainer.threads=2", "trainer.compile=aot_eager"):
        assert threads_for(spec(*LINEAR, stays), state, 1000, None).count == 2
    torch.set_num_threads(1)  # a sweep, OMP_NUM_THREADS=1, or one core
    assert threads_for(asked, state, 1000, None).count == 1


def test_what_raises_takes_one_thread_and_a_signal_ends_the_measuring(
    spec: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        threads.kept_or_measured(spec(*CONVOLUTIONS), [1, 2], lambda: True)
    with monkeypatch.context() as hurried:
        hurried.setattr(threads, "MOST_SECONDS", 0.0)
        assert threads.kept_or_measured(spec(*CONVOLUTIONS), [1, 2]) == 2, "as many as there are where there is no time"
    assert not (tmp_path / "cache").exists(), "what was not measured is not kept"

    def raises(*_: object) -> tuple[int, bool]:
        raise ValueError("mine")

    monkeypatch.setattr(threads, "_fastest", raises)
    assert threads.kept_or_measured(spec(*CONVOLUTIONS, "trainer.batch_size=10"), [1, 2]) == 1


def test_a_run_that_is_read_off_records_the_threads_of_the_longer_one(
    spec: Callable[..., RunSpec], no_losses_figure: None
) -> None:
    longer = spec(*CONVOLUTIONS, "trainer.threads=1", "trainer.milestones=[2]")
    run.execute(longer)
    torch.set_num_threads(2)
    short = spec(*CONVOLUTIONS, "trainer.epochs=2")
    run.execute(short)
    result = RunFolder(short.directory).result() or {}
    assert (result["read_off"], result["provenance"]["threads"]) == (longer.directory.name, 1)


def test_time_outside_of_steps_does_not_count() -> None:
    clock = iter([0.0, 1.0, 100.0, 101.0]).__next__
    sent: list[float] = []

    class Chooser:
        def __next__(self) -> int:
            return 1

        def send(self, seconds: float) -> int:
            sent.append(seconds)
            return 2

    pace = Threads([1, 2], 2, clock=clock)
    pace._turns = Chooser()  # type: ignore[assignment]
    for _ in range(2):
        pace.go()
        pace.step_done()
        pace.rest()
    assert sent == [1.0, 1.0]
