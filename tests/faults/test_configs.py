"""Bad configurations: whatever is typed, a run makes its step or is refused with one message and exit status 2."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import attempt
import numpy as np
import pytest
from attempt import Ended, check_refused, launch
from hypothesis import HealthCheck, Phase, given, settings
from overrides import GROUPS, Case, all_keys, cases
from PIL import Image
from rounds import ROUNDS

from ganexp.files.record import read_metrics, read_result
from helpers import compose_config

SUBJECTS = (*GROUPS, "hydra", "whole")
CASES = 200 * ROUNDS // len(SUBJECTS) + 1
"""Configurations for each subject: 200 in all in the short form."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of cases with images beside them, and a data root with a few images of each named dataset."""
    top = tmp_path_factory.mktemp("configs")
    material = top / "cases" / "material"
    (material / "pictures").mkdir(parents=True)
    (material / "file").write_text("no folder")
    pixels = np.random.default_rng(0).integers(0, 256, (60, 3, 16, 16), dtype=np.uint8)
    np.save(material / "images.npy", pixels)
    np.save(material / "labels.npy", np.arange(60) % 3)
    for number, image in enumerate(pixels):
        Image.fromarray(image.transpose(1, 2, 0)).save(material / "pictures" / f"{number}.png")
    for name, shape in (("mnist", (1, 28, 28)), ("fashion_mnist", (1, 28, 28)), ("cifar10", (3, 32, 32))):
        folder = top / "data" / "prepared" / name
        folder.mkdir(parents=True)
        for split in ("train", "test"):
            np.save(folder / f"{split}_images.npy", np.resize(pixels, (60, *shape)))
            np.save(folder / f"{split}_labels.npy", np.arange(60) % 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANEXP_DATA", str(top / "data"))
        patch.setenv("XDG_CACHE_HOME", str(top / "cache"))
        patch.setenv("FAULTS_WORD", "word")
        patch.delenv("FAULTS_NOPE", raising=False)
        _warm(top / "warm")
        yield top / "cases"


def _warm(folder: Path) -> None:
    """Import what children need, and have the digits prepared, once."""
    attempt.warm()
    compose_config()
    assert launch(folder, "experiment=debug", "trainer.max_steps=1", "metrics=none").status == 0


def check_ran(ended: Ended) -> None:
    """The one run is COMPLETED, with one row of finite numbers."""
    assert ended.states() == ["COMPLETED"], ended.told
    (run,) = ended.runs()
    (row,) = read_metrics(run / "metrics.csv")
    result = read_result(run / "result.json")
    assert result is not None
    assert row["step"] >= 1
    assert all(math.isfinite(value) for value in (*row.values(), *result["final"].values()) if value is not None)


def check_failed(ended: Ended) -> None:
    """The run ended badly by what it was asked: diverged, said with the epoch; or more memory than there is."""
    (run,) = ended.runs()
    status = json.loads((run / "status.json").read_text())
    told = status["error"]["message"]
    if status["state"] == "DIVERGED":
        assert "epoch 1" in told, told
    else:
        assert (status["state"], "out of memory" in told) == ("FAILED", True), told
    assert told in ended.out


def judge(case: Case, ended: Ended) -> None:
    """Whether a command line was met as promised."""
    assert ended.status is not None, f"still running after its time: {case.focus}"
    assert "Traceback" not in ended.told, f"{case.focus}\n{ended.told}"
    if ended.status == 0:
        check_ran(ended)
    elif ended.status == 1:
        check_failed(ended)
    else:
        message = ended.err if ended.err.startswith("usage:") else check_refused(ended)
        assert any(name in message for name in case.names()), f"{case.focus} is not what is told of: {message}"
        assert "Error raised while resolving interpolation" not in message or "FAULTS_NOPE" in message, message


def test_the_cases_know_every_key_of_the_configuration() -> None:
    from ganexp.config.run_config import plain_values
    from ganexp.types.nested import dotted

    composed = dotted(plain_values(compose_config("metrics=full", "penalty=r1", "optim/schedule=cosine")))
    known = all_keys()
    assert [key for key in composed if key not in known and not key.endswith("._target_")] == []


@pytest.mark.parametrize("subject", SUBJECTS)
def test_any_configuration_makes_a_step_or_is_refused(subject: str, place: Path) -> None:
    number, ends = count(), []

    @settings(
        max_examples=CASES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(subject))
    def attack(case: Case) -> None:
        folder = place / f"{subject}-{next(number)}"
        ended = launch(folder, *case.arguments)
        judge(case, ended)
        ends.append(ended.status)
        shutil.rmtree(folder, ignore_errors=True)

    attack()
    assert 2 in ends
    print(
        f"{subject}: {len(ends)} configurations: {ends.count(0)} ran, {ends.count(2)} refused, {ends.count(1)} diverged"
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("trainer=null",), "trainer: expected one of default, got null"),
        (("model.latent_dim=9999999999",), "model.latent_dim"),
        (("hydra.run.dir=file/x",), "file/x"),
        (("trainer.device=meta",), "trainer.device"),
        (("--multirun", "seed=range(1000000000)"), "at most 100,000"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_the_command_itself_says_the_same(
    arguments: tuple[str, ...], word: str, ganexp: Callable[..., Any], tmp_path: Path
) -> None:
    """In processes of its own, as a user runs it."""
    (tmp_path / "file").write_text("no folder")
    done = ganexp(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stdout + done.stderr
    assert done.stderr.startswith("ganexp: ") and word in done.stderr
    assert "Traceback" not in done.stderr


def test_more_memory_than_there_is_is_refused_by_count_before_it_is_asked_for(place: Path) -> None:
    """Each value is one that is right alone."""
    wide = ("model.generator_widths=[65536,65536]", "model.discriminator_width=65536", "model.discriminator_depth=100")
    told = check_refused(launch(place / "wide", "trainer.max_steps=1", "metrics=none", *wide))
    assert "model: expected networks and batches that fit into this machine's" in told


def test_memory_that_runs_out_at_work_is_said_in_a_line(place: Path) -> None:
    """What fits by count into the machine fails in a child that has less."""
    wide = ("trainer.max_steps=1", "metrics=none", "model.generator_widths=[20000,16000]")
    ended = launch(place / "full", *wide, memory=2**30)
    assert (ended.status, ended.states()) == (1, ["FAILED"]), ended.told
    assert "Traceback" not in ended.told
    assert "out of memory: " in ended.out
    check_failed(ended)
