"""The command line as a user meets it, in processes of its own."""

import json
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from ganexp import cli
from ganexp.files.checkpoint import load, weights_sha256
from ganexp.files.record import read_metrics
from ganexp.files.run_folder import RunFolder
from helpers import TINY


def only_run(folder: Path) -> Path:
    (run,) = (folder / "outputs").iterdir()
    return run


def test_hydra_shows_the_directory_that_a_run_would_have(ganexp):
    done = ganexp("--cfg", "hydra", "-p", "hydra.run.dir", *TINY)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"outputs/digits-mlp-non_saturating-[0-9a-f]{8}\n", done.stdout)
    assert ganexp("--cfg", "hydra", "-p", "hydra.run.dir", *TINY, "seed=1").stdout != done.stdout


def test_a_run_a_second_look_at_it_and_its_commands(ganexp, tmp_path):
    first = ganexp(*TINY)
    assert first.returncode == 0, first.stderr
    run = only_run(tmp_path)
    assert "parameters" in first.stdout
    *_, completed, pictures, losses, metrics = first.stdout.splitlines()
    assert completed.startswith(f"COMPLETED: {run}: ") and "reference" not in completed
    named = {"pictures": "samples/epoch_0004.png", "losses": "losses.png", "metrics": "metrics.csv"}
    assert (run / "losses.png").stat().st_size > 1000
    assert [pictures, losses, metrics] == [f"  {what}: outputs/{run.name}/{file}" for what, file in named.items()]
    assert ganexp(*TINY).stdout.strip().endswith("already done")
    drawn = ganexp(str(run), "--num", "12", "--out", "x.npy", module="ganexp.sample")
    assert drawn.returncode == 0, drawn.stderr
    assert np.load(tmp_path / "x.npy").shape == (12, 1, 28, 28)
    refused = ganexp(str(run), "--num", "12", "--out", "x.npy", module="ganexp.sample")
    assert (refused.returncode, "--force" in refused.stderr) == (2, True)
    resumed = ganexp(str(run), module="ganexp.resume")
    assert (resumed.returncode, "already done" in resumed.stdout) == (0, True), resumed.stderr
    longer = ganexp(*TINY, "trainer.epochs=5")
    assert "going on after step 12 of digits-mlp" in longer.stdout


def test_help_and_cfg_do_not_import_torch(tmp_path):
    for arguments in (["--help"], ["--cfg", "job"]):
        code = (
            "import sys; sys.argv[0] = 'ganexp'\n"
            "from ganexp.__main__ import main\n"
            "try:\n    main()\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
            "assert 'torch' not in sys.modules and 'pandas' not in sys.modules\n"
        )
        done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "non_saturating" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["optim.lrr=1"], ["optim.lrr", "unknown key", "Did you mean 'optim.lr'"]),
        (["lr=1"], ["lr: unknown key", "Did you mean 'optim.lr'"]),
        (["optim.lr=-1"], ["optim.lr", "greater than 0", "-1"]),
        (["trainer.batch_size=abc"], ["trainer.batch_size", "expected a whole number", "'abc'"]),
        (["trainer.batch_size=5000"], ["trainer.batch_size", "at most 899", "5000"]),
        (["dataset=imagenet"], ["dataset/imagenet", "mnist", "cifar10", "digits"]),
        (["dataset=arrays"], ["dataset.images"]),
        (["metrics=none", "metrics.objective=cfd"], ["metrics.objective", "none"]),
        (["trainer.epochs=1,2"], ["trainer.epochs", "--multirun"]),
        (["optim.lr=[1"], ["optim.lr=[1"]),
        (["trainer.device=tpu0"], ["trainer.device", "'tpu0'"]),
        (["stauts", "x"], ["stauts: expected a command or key=value. Did you mean 'status'?"]),
        (["sample", "nowhere", "--out", "x.png"], ["nowhere: expected a folder", "does not exist"]),
    ],
    ids=lambda value: value[0] if value[0].count("=") else "",
)
def test_mistakes_are_refused_with_one_message_and_status_2(ganexp, tmp_path, arguments, expected):
    done = ganexp(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for text in expected:
        assert text in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_a_directory_that_holds_another_configuration_is_refused_before_its_record_is_touched(ganexp, tmp_path):
    assert ganexp(*TINY, "hydra.run.dir=here").returncode == 0
    record = tmp_path / "here" / ".hydra" / "config.yaml"
    before = (record.read_bytes(), record.stat().st_mtime_ns)
    done = ganexp(*TINY, "hydra.run.dir=here", "optim.lr=0.5")
    assert done.returncode == 2
    assert "optim.generator.lr: there 0.001, asked 0.5" in done.stderr
    assert (record.read_bytes(), record.stat().st_mtime_ns) == before


def test_divergence_ends_with_status_1(ganexp):
    done = ganexp(*TINY, "optim=sgd", "optim.lr=1e30")
    assert done.returncode == 1
    assert "DIVERGED" in done.stdout
    assert "epoch 1" in done.stdout


LONG = [override for override in TINY if not override.startswith("trainer.epochs")]


def wait_for_epoch(run: Path, epoch: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if json.loads((run / "status.json").read_text())["epoch"] >= epoch:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.01)
    raise AssertionError(f"{run} did not reach epoch {epoch}")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_checkpoint_between_two_steps(start, ganexp, tmp_path, number, status):
    arguments = [*LONG, "trainer.epochs=100000", "hydra.run.dir=here"]
    process = start(*arguments)
    wait_for_epoch(tmp_path / "here", 2)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == status, output
    assert "INTERRUPTED" in output
    assert json.loads((tmp_path / "here" / "status.json").read_text())["state"] == "INTERRUPTED"
    assert RunFolder(tmp_path / "here").state_checkpoints()


def test_killed_twice_ends_with_the_same_bits_as_never(start, ganexp, tmp_path):
    arguments = [*LONG, "trainer.epochs=30", "trainer.samples_every_epochs=null"]
    assert ganexp(*arguments, "hydra.run.dir=straight").returncode == 0
    for epoch in (7, 16):
        process = start(*arguments, "hydra.run.dir=killed")
        wait_for_epoch(tmp_path / "killed", epoch)
        process.kill()
        process.wait()
    assert ganexp(*arguments, "hydra.run.dir=killed").returncode == 0

    def essence(run: Path) -> object:
        rows = [{k: v for k, v in r.items() if k != "train_seconds"} for r in read_metrics(run / "metrics.csv")]
        return weights_sha256(load(RunFolder(run).state_checkpoints()[0])[0]), rows

    assert essence(tmp_path / "killed") == essence(tmp_path / "straight")


def test_a_model_from_outside_needs_one_function_one_file_and_trust(ganexp, new_python, tmp_path):
    package = tmp_path / "mylab"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from math import prod\n"
        "from torch import nn\n"
        "from ganexp import GAN\n\n\n"
        "def mine(image_shape, *, latent_dim: int = 4):\n"
        "    size = prod(image_shape)\n"
        "    generator = nn.Sequential(nn.Linear(latent_dim, size), nn.Tanh(), nn.Unflatten(1, image_shape))\n"
        "    critic = nn.Sequential(nn.Flatten(), nn.Linear(size, 1), nn.Flatten(0))\n"
        "    return GAN(generator, critic, latent_dim)\n"
    )
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("_target_: mylab.mine\nlatent_dim: 4\n")
    arguments = ["--config-dir", "conf", "model=mine", *(o for o in TINY if not o.startswith("model"))]
    (tmp_path / "numpy.py").write_text("raise AssertionError('the folder comes before installed packages')\n")
    env = {"PYTHONSAFEPATH": "1"}  # as the console script: Python does not look for modules in the current folder
    refused = ganexp(*arguments, env=env)
    assert refused.returncode == 2
    assert "trust=[mylab.*]" in refused.stderr
    done = new_python(*arguments, "trust=[mylab.*]", env=env)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    assert run.name.startswith("digits-mine-non_saturating-")
    untrusted = ganexp(str(run), "--out", "x.png", module="ganexp.sample", env=env)
    assert (untrusted.returncode, "--trust 'mylab.*'" in untrusted.stderr) == (2, True)
    assert "trust=" not in untrusted.stderr
    drawn = ganexp(str(run), "--out", "x.png", "--trust", "mylab.*", module="ganexp.sample", env=env)
    assert drawn.returncode == 0, drawn.stderr


def test_a_refused_run_leaves_no_folder_that_was_not_there(ganexp, tmp_path):
    (tmp_path / "mine").mkdir()
    refused = ganexp("trainer.device=tpu0", "hydra.run.dir=mine/of/the/run")
    assert refused.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert not list((tmp_path / "mine").iterdir())


def test_one_command_for_all(ganexp, tmp_path):
    assert ganexp("--version").stdout == f"ganexp {version('ganexp')}\n"
    assert ganexp("status").stdout.startswith("no sweep or run here")
    for arguments in (["help", "report"], ["report", "--help"]):
        assert re.search(r"Usage: python -m ganexp report \[OPTIONS\] \{?SWEEP_DIR\}?\.\.\.", ganexp(*arguments).stdout)


def test_every_module_with_a_main_is_a_command():
    source = Path(cli.__file__).parent
    modules = {path.stem for path in source.glob("*.py") if "    start(main)" in path.read_text()} | {"report"}
    assert modules == set(cli.COMMANDS)
    assert all(callable(cli.main_of(name)) for name in cli.COMMANDS)


@pytest.mark.parametrize(
    ("line", "expected", "hydra_too"),
    [
        ("ganexp ", {"status", "confirm"}, True),
        ("ganexp co", {"confirm", "compare"}, True),
        ("ganexp dataset=", set(), True),
        ("ganexp dataset=mnist s", set(), True),
        ("ganexp status ", {"outputs/one"}, False),
        ("ganexp status out", {"outputs/one"}, False),
        ("ganexp compare ", set(), False),
        ("ganexp score x.npy --dataset mn", {"mnist"}, False),
        ("ganexp report --be", {"--best"}, False),
    ],
)
def test_completion_of_commands(line, expected, hydra_too, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs" / "one").mkdir(parents=True)
    (tmp_path / "outputs" / "one" / "status.json").touch()
    assert cli.complete(line) is hydra_too
    words = set(capsys.readouterr().out.split())
    assert expected <= words
    assert expected or not words


def test_advice_is_in_the_options_of_a_companion_command():
    said = "x: expected a; changed_code=own_run makes a run of its own, changed_code=same_run goes on as the same run"
    assert cli.with_options(said) == "x: expected a; --changed-code same_run goes on as the same run"
    assert cli.with_options("say so: 'trust=[a.*]'; sweep.retry=failed") == "say so: --trust 'a.*'; --retry"


def test_shell_completion_knows_the_options_of_a_group(ganexp):
    done = ganexp("-sc", "query=bash", env={"COMP_LINE": "ganexp dataset=", "COMP_POINT": "15", "_": "ganexp"})
    assert {"dataset=digits", "dataset=mnist", "dataset=cifar10"} <= set(done.stdout.split()), done.stdout + done.stderr
