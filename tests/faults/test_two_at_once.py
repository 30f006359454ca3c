"""Several processes want the same thing: each thing is done once, and a holder that is killed is replaced."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from children import CONTEXT, SMALL, SWEEP, Child, note_writes, run
from compare import content, of_run
from reader import Reader

from ganexp.files.lease import HeldError
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import Status
from ganexp.report import write_report
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError
from synthetic import planned, write_plan, write_run

CROWD = 8
"""Processes that ask for the same dataset and classifier."""


def wait_for(condition: Callable[[], Any], seconds: float = 240.0) -> Any:
    """The first true value of `condition`."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)
    return found


def holder(folder: Path, least_epoch: int = 0) -> int | None:
    """The process that works on a run and has done so many epochs."""
    status = RunFolder(folder).status()
    if status is None or status.state is not State.RUNNING or status.epoch < least_epoch or status.holder is None:
        return None
    return int(status.holder["pid"])


def test_of_three_processes_on_one_run_one_works_at_a_time(tmp_path: Path, data_root: Path) -> None:
    asked = (*SMALL, "trainer.epochs=12", "metrics=none", "hydra.run.dir=run")
    run(tmp_path / "alone", data_root, *asked)
    with Reader(tmp_path):
        children = [Child(tmp_path / "shared", data_root, *asked) for _ in range(3)]
        killed = wait_for(lambda: holder(tmp_path / "shared" / "run", least_epoch=2))
        os.kill(killed, signal.SIGKILL)
        codes = Counter(child.wait(240) for child in children)
    told = [child.output for child in children]
    assert codes == {-9: 1, 0: 2}, told
    assert sum("going on after step" in text for text in told) == 1
    assert sum("already done" in text for text in told) == 1
    assert of_run(tmp_path / "shared" / "run") == of_run(tmp_path / "alone" / "run")


@pytest.mark.parametrize("killed", [False, True])
def test_two_launchers_share_a_sweep_and_one_goes_on_when_the_other_is_killed(
    killed: bool, tmp_path: Path, data_root: Path
) -> None:
    asked = (*SWEEP, "trainer.epochs=2,6", "seed=0,1,2", "metrics=none", "sweep.report=false")
    run(tmp_path / "alone", data_root, *asked)
    shared, notes = tmp_path / "shared", tmp_path / "notes"
    with Reader(tmp_path):
        noting = partial(note_writes, str(notes), f"{shared}/sweep/")
        children = [Child(shared, data_root, *asked, prepare=noting) for _ in range(2)]
        if killed:
            pids = {child.process.pid for child in children}
            runs = lambda: {holder(path.parent, 1) for path in shared.glob("sweep/*/status.json")}  # noqa: E731
            os.kill(wait_for(lambda: (runs() & pids) - {None}).pop(), signal.SIGKILL)
        codes = sorted(child.wait(240) or 0 for child in children)
    assert codes == ([-9, 0] if killed else [0, 0]), [child.output for child in children]
    assert content(shared / "sweep") == content(tmp_path / "alone" / "sweep")
    if not killed:
        results = [line for line in notes.read_text().splitlines() if line.endswith("/result.json")]
        assert len(results) == len(set(results)) == 6, "each run was made once"


def first_come(path: str) -> bool:
    """Whether this process is the first to ask; each that asks is noted."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{os.getpid()}\n")
    return Path(path).read_text().startswith(f"{os.getpid()}\n")


def trapped(notes: str) -> None:
    """Whoever is first to prepare the data, or to train the classifier, does not get on, and waits to be killed."""
    from ganexp.dataset import prepared
    from ganexp.metrics import classifiers
    from ganexp.metrics.classifier_network import Recipe

    def trap(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def waiting(*arguments: Any, **options: Any) -> Any:
            if first_come(f"{notes}/{name}"):
                threading.Event().wait()
            return work(*arguments, **options)

        return waiting

    classifiers.OWN_RECIPE = Recipe(epochs=0, least_steps=20, batch_size=32)
    classifiers.train = trap("training", classifiers.train)
    prepared._write_split = trap("preparing", prepared._write_split)


def test_of_many_that_need_one_dataset_and_one_classifier_one_makes_them_though_two_are_killed(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    np.save(tmp_path / "images.npy", random.integers(0, 256, (240, 1, 12, 12), dtype=np.uint8))
    np.save(tmp_path / "labels.npy", np.arange(240) % 3)
    files = (f"dataset.images={tmp_path}/images.npy", f"dataset.labels={tmp_path}/labels.npy")
    asked = (*SMALL, "dataset=arrays", *files, "trainer.epochs=1", "metrics.num_samples=10")
    notes, data = tmp_path / "notes", tmp_path / "data"
    notes.mkdir()
    prepare = partial(trapped, str(notes))
    crowd = [
        Child(tmp_path / "crowd", data, *asked, f"hydra.run.dir=run{number}", prepare=prepare)
        for number in range(CROWD + 2)
    ]
    for name in ("preparing", "training"):
        first = wait_for(lambda name=name: (notes / name).exists() and (notes / name).read_text())
        os.kill(int(first), signal.SIGKILL)
    codes = Counter(child.wait(240) for child in crowd)
    assert codes == {-9: 2, 0: CROWD}, [child.output for child in crowd]
    assert [len((notes / name).read_text().split()) for name in ("preparing", "training")] == [2, 2]
    results = [json.loads(path.read_text()) for path in tmp_path.glob("crowd/run*/result.json")]
    assert len(results) == CROWD
    assert len({each["final"]["cfd"] for each in results}) == 1
    assert not list(data.rglob(".*.tmp*"))


def test_readers_never_keep_a_run_from_its_next_holder(tmp_path: Path) -> None:
    there = Status(State.RUNNING, 0, 5, "r", "t")
    holding = CONTEXT.Process(target=_hold_and_die, args=(tmp_path, there))
    holding.start()
    holding.join()
    assert holding.exitcode == -9
    stop, seen = threading.Event(), Counter[str]()

    def look() -> None:
        while not stop.is_set():
            found = RunFolder(tmp_path).current()
            seen[found.state.value if found else "nothing"] += 1

    readers = [threading.Thread(target=look) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(40):
            with RunFolder(tmp_path).lease():
                pass
    except HeldError as error:
        pytest.fail(f"held by a reader, and taken for {error}")
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert seen["STALE"] > 10


def _hold_and_die(folder: Path, status: Status) -> None:
    with RunFolder(folder).lease() as lease:
        lease.begin(status)
        os.kill(os.getpid(), signal.SIGKILL)


def test_two_evaluations_of_one_run_keep_each_others_scores(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganexp.trainer import rescore as evaluate

    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    run(tmp_path, data_root, *SMALL, "trainer.epochs=1", "hydra.run.dir=run")
    write, result = evaluate._update_result, tmp_path / "run" / "result.json"

    def slower(*arguments: Any) -> None:
        """In the meantime another process adds a score."""
        other = json.loads(result.read_text())
        other["final"]["parzen_ll"] = 225.0
        result.write_text(json.dumps(other))
        write(*arguments)

    monkeypatch.setattr(evaluate, "_update_result", slower)
    evaluate.evaluate(tmp_path / "run")
    assert json.loads(result.read_text())["final"]["parzen_ll"] == 225.0
    monkeypatch.setattr(evaluate, "_update_result", write)
    with RunFolder(tmp_path / "run").lease(), pytest.raises(DirectoryError, match="being worked on by process"):
        evaluate.evaluate(tmp_path / "run")


def test_two_reports_at_once_leave_each_others_figures_alone(tmp_path: Path) -> None:
    runs = [planned(number, seed=number) for number in range(2)]
    write_plan(tmp_path, runs, ["seed"])
    for each in runs:
        write_run(tmp_path, each, State.COMPLETED)
    figures = tmp_path / "figures"
    figures.mkdir()
    being_written, stale = figures / ".r0-curves.0123abcd.tmp.svg", figures / "r9-curves.svg"
    for path in (being_written, stale):
        path.touch()
    write_report([tmp_path])
    assert being_written.exists()
    assert not stale.exists()
