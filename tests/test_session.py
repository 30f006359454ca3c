"""`ganexp.train` and `ganexp.multirun` from Python: what they return, refuse, and leave as it was."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

import ganexp
from helpers import TINY

HERE = [*TINY, "trainer.epochs=2"]
ONE_PROCESS = ["hydra/launcher=basic", "sweep.report=false"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch, no_losses_figure: None) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    return tmp_path


def test_a_run_is_that_of_the_command_line(ganexp_command_line, place: Path) -> None:
    run = ganexp.train(HERE)
    done = ganexp_command_line(*HERE)
    assert done.returncode == 0 and "already done" in done.stdout
    assert [path.resolve() for path in (place / "outputs").iterdir()] == [run.directory.resolve()]
    assert run.status.state == "COMPLETED"
    assert run.result == json.loads((run.directory / "result.json").read_text())
    assert run.metrics.epoch.tolist() == [1, 2] and run.metrics.d_loss.notna().all()
    assert ganexp.open_run(run.directory) == run


@pytest.fixture
def ganexp_command_line(request: pytest.FixtureRequest):
    return request.getfixturevalue("ganexp")


def test_a_finished_run_is_read(capfd: pytest.CaptureFixture[str]) -> None:
    before = (ganexp.train(HERE).directory / "metrics.csv").read_bytes()
    run = ganexp.train(HERE)
    assert "already done" in capfd.readouterr().out
    assert (run.directory / "metrics.csv").read_bytes() == before
    longer = ganexp.train([*TINY, "trainer.epochs=3"])
    assert longer.directory != run.directory and len(longer.metrics) == 3


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["optim.lrr=3"], "optim.lrr: unknown key. Did you mean 'optim.lr'?"),
        (["optim.lr=x"], "optim.lr: expected a valid number"),
        (["trainer.batch_size=0"], "trainer.batch_size: expected a value greater than or equal to 1, got 0"),
        (["dataset=nope"], "dataset: expected one of arrays, cifar10"),
        (["--help"], "expected texts such as"),
        (["hydra.mode=MULTIRUN"], "expected texts such as"),
        ("seed=1", "expected a list such as"),
        ([7], "got 7"),
    ],
)
def test_refusals_are_exceptions_in_the_words_of_the_command_line(overrides, words: str, place: Path) -> None:
    with pytest.raises(ganexp.Refused) as refused:
        ganexp.train(overrides)
    assert words in str(refused.value)
    assert not any((place / "outputs").glob("*"))


def test_a_directory_of_another_run_is_refused(place: Path) -> None:
    ganexp.train([*HERE, "hydra.run.dir=mine"])
    with pytest.raises(ganexp.DirectoryError, match="holds a run of another configuration"):
        ganexp.train([*HERE, "seed=5", "hydra.run.dir=mine"])
    with pytest.raises(ganexp.DirectoryError, match="expected a run directory"):
        ganexp.open_run(place)
    with pytest.raises(ganexp.DirectoryError, match="expected a folder, got a path that does not exist"):
        ganexp.open_sweep(place / "nothing")


def own_loss(place: Path, monkeypatch: pytest.MonkeyPatch, name: str, body: str) -> tuple[str, ...]:
    """A loss of the user's own, in a folder of options; returns the overrides that choose it.

    `body` is that of its discriminator's loss, where `bad` is NaN in training, but 1 for the eight images tried before.
    """
    (place / "lab" / "loss").mkdir(parents=True)
    (place / "lab" / "loss" / f"{name}.yaml").write_text(f"_target_: {name}.loss\n")
    source = "from dataclasses import replace\nfrom ganexp.loss import non_saturating\n\ndef loss():\n"
    body = "".join(f"        {line}\n" for line in body.splitlines())
    source += "    def discriminator(real, fake):\n        bad = 1.0 if len(real) == 8 else float('nan')\n"
    source += f"{body}    return replace(non_saturating(), discriminator=discriminator)\n"
    (place / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(place))
    return (f"loss={name}", f"trust=[{name}.*]")


def test_a_run_that_diverges_or_fails_is_returned_with_its_state(place, monkeypatch) -> None:
    diverging = own_loss(place, monkeypatch, "divergeslab", "return (real.mean() + fake.mean()) * bad")
    run = ganexp.train([*HERE, *diverging], config_dir="lab")
    assert (run.status.state, run.result) == ("DIVERGED", None)
    assert "DIVERGED" in run._repr_html_()
    again = ganexp.train([*HERE, *diverging], config_dir="lab")
    assert (again, again.status.state) == (run, "DIVERGED")


def test_own_code_that_was_edited_is_imported_again(place, monkeypatch) -> None:
    edited = own_loss(place, monkeypatch, "editedlab", "return real.mean() - fake.mean()")
    run = ganexp.train([*HERE, *edited], config_dir="lab")
    assert run.status.state == "COMPLETED"
    module = place / "editedlab.py"
    module.write_text(module.read_text().replace("fake.mean()", "fake.mean() * bad"))
    with pytest.raises(ganexp.ConfigError, match="expected the code that the run was made with"):
        ganexp.train([*HERE, *edited], config_dir="lab")
    other = ganexp.train([*HERE, *edited, "changed_code=own_run"], config_dir="lab")
    assert (other.status.state, run.status.state) == ("DIVERGED", "COMPLETED")


def test_everything_of_the_caller_is_left_as_it_was(place: Path) -> None:
    handler, ours = logging.NullHandler(), logging.getLogger("ours")
    ours.addHandler(handler)
    logging.getLogger().setLevel(logging.ERROR)
    GlobalHydra.instance().hydra = mine = object()
    HydraConfig.instance().cfg = config = OmegaConf.create({"hydra": {"mine": 1}})
    torch.set_flush_denormal(False)
    torch.set_num_threads(2)

    def state() -> list[object]:
        return [
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            float(torch.tensor(2e-310, dtype=torch.float64) * 1.0),
            [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
            (sys.argv, sys.stdout, sys.stderr, Path.cwd(), os.environ.copy()),
            (logging.getLogRecordFactory(), logging.getLogger().level, ours.handlers[:], ours.disabled),
        ]

    try:
        before = state()
        ganexp.train([*HERE, "trainer.threads=1"])
        ganexp.multirun([*HERE, "seed=1,2", *ONE_PROCESS])
        with pytest.raises(ganexp.Refused):
            ganexp.train(["optim.lrr=3"])
        assert state() == before
        assert GlobalHydra.instance().hydra is mine and HydraConfig.instance().cfg is config
    finally:
        GlobalHydra.instance().hydra = HydraConfig.instance().cfg = None
        torch.set_num_threads(1)
        logging.getLogger().setLevel(logging.WARNING)
        ours.removeHandler(handler)


def interrupt_after_an_epoch(folder: Path, number: int) -> threading.Thread:
    def wait() -> None:
        while not any('"epoch": 1' in path.read_text() for path in folder.glob("*/status.json")):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_ctrl_c_leaves_a_run_that_the_same_call_finishes(place: Path) -> None:
    long = [*TINY, "trainer.epochs=100", "trainer.sample_images=4"]
    interrupt_after_an_epoch(place / "outputs", signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        ganexp.train(long)
    (folder,) = (place / "outputs").iterdir()
    run = ganexp.open_run(folder)
    assert run.status.state == "INTERRUPTED" and 1 <= run.status.epoch < 100
    assert ganexp.train(long).status.state == "COMPLETED"
    whole = ganexp.train([*long, f"hydra.run.dir={place / 'whole'}"])
    measured = [name for name in run.metrics if name != "train_seconds"]
    assert run.metrics[measured].equals(whole.metrics[measured])


def test_another_signal_goes_to_the_callers_handler(place: Path) -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        interrupt_after_an_epoch(place / "outputs", signal.SIGTERM)
        run = ganexp.train([*TINY, "trainer.epochs=400"])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (came, run.status.state) == ([signal.SIGTERM], "INTERRUPTED")


def test_a_sweep_is_its_files(place: Path) -> None:
    sweep = ganexp.multirun([*HERE, "optim.lr=1e-3,1e-4", "seed=0,1", *ONE_PROCESS])
    assert sweep.directory == place / "multirun" / "digits-grid"
    assert sweep.summary.state.tolist() == ["COMPLETED"] * 4
    assert [run.status.state for run in sweep.runs] == ["COMPLETED"] * 4
    assert len(sweep.metrics) == 8 and sweep.verdict is None  # metrics=none: nothing is ranked
    assert "COMPLETED" in sweep._repr_html_()
    opened = ganexp.open_sweep(sweep.directory)
    assert opened == sweep
    more = ganexp.multirun([*HERE, "optim.lr=1e-3,1e-4", "seed=0,1,2", *ONE_PROCESS])
    assert more == sweep and len(more.summary) == 6


def test_a_refused_sweep_raises_and_writes_nothing(place: Path) -> None:
    with pytest.raises(ganexp.Refused, match=r"optim\.lrr: unknown key"):
        ganexp.multirun([*HERE, "optim.lrr=1,2"])
    assert not (place / "multirun").exists()


def test_pictures_are_shown_inline_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    run = ganexp.train(HERE)
    assert run._repr_html_().count("data:image/png;base64,") == 2
    picture = run.pictures[-1]
    picture.write_bytes(b"x" * 5_000_000)
    assert len(run._repr_html_()) < 3_000_000 and str(picture) in run._repr_html_()


def test_what_a_stranger_wrote_cannot_act_on_a_notebook(place: Path) -> None:
    sweep = ganexp.multirun([*HERE, "seed=0,1", *ONE_PROCESS])
    (sweep.directory / "report.html").write_text('<script>alert(1)</script>"><b onclick=x>')
    shown = sweep._repr_html_()
    assert "<script" not in shown and '"><b' not in shown
    assert 'sandbox="allow-scripts"' in shown and "allow-same-origin" not in shown


SCRIPT = """
import sys, ganexp
print("begun", sys.argv[0])
sweep = ganexp.multirun([{overrides}, "seed=0,1", "hydra.launcher.n_jobs=2", "sweep.report=false"])
print(sorted(sweep.summary.state))
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["file", "-c", "stdin"])
def test_workers_do_not_run_the_script_again(way: str, place: Path) -> None:
    program = SCRIPT.format(overrides=", ".join(map(repr, HERE)))
    Path("script.py").write_text(program)  # without `if __name__ == "__main__"`
    arguments = {"file": ["script.py"], "-c": ["-c", program], "stdin": ["-"]}[way]
    text = program if way == "stdin" else None
    done = subprocess.run([sys.executable, *arguments], input=text, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("begun") == 1 and "['COMPLETED', 'COMPLETED']" in done.stdout
