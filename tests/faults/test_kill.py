"""SIGKILL at any moment of a sweep's life: after a restart everything is as if nothing had happened."""

from __future__ import annotations

import errno
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from children import ASKED, Child, die_at_write, run
from compare import content
from reader import Reader
from rounds import ROUNDS
from undisturbed import Undisturbed, undisturbed_sweep

from ganexp.files.run_folder import RunFolder
from ganexp.types.endings import State

KILLS = 5 * ROUNDS
"""Of each of the two kinds."""


@pytest.fixture
def undisturbed(data_root: Path) -> Undisturbed:
    return undisturbed_sweep(data_root)


def phase(sweep: Path) -> str:
    """What a process that is gone was about to do, by its files."""
    statuses = [found for path in sweep.glob("*/status.json") if (found := RunFolder(path.parent).status()) is not None]
    if not statuses:
        return "starting"
    if running := [status for status in statuses if status.state is State.RUNNING]:
        return "ending a run" if any(status.epoch == status.epochs for status in running) else "training"
    return "reporting" if (sweep / "summary.csv").exists() else "summarising"


def any_time(undisturbed: Undisturbed, chance: random.Random, folder: Path, data: Path) -> int | None:
    """Start the sweep and kill it from outside at a random moment; its exit status."""
    child = Child(folder, data, *ASKED)
    child.wait(chance.uniform(0.0, undisturbed.seconds))
    return child.kill()


def at_a_write(undisturbed: Undisturbed, chance: random.Random, folder: Path, data: Path) -> int | None:
    """Start the sweep, which kills itself just before a random change on disk; its exit status."""
    moment = chance.randint(1, undisturbed.writes)
    return Child(folder, data, *ASKED, prepare=partial(die_at_write, moment, f"{folder}/sweep/")).wait(240)


@pytest.mark.parametrize("strike", [any_time, at_a_write])
def test_killed_and_started_again_until_it_ends_as_if_never_disturbed(
    strike: Callable[..., int | None], undisturbed: Undisturbed, tmp_path: Path, data_root: Path
) -> None:
    chance, kills, looks, lives = random.Random(strike.__name__), Counter[str](), Counter[str](), 0
    while kills.total() < KILLS:
        folder = tmp_path / f"life{lives}"
        most = min(KILLS, kills.total() + chance.randint(1, 4))
        with Reader(folder) as reader:
            while kills.total() < most and strike(undisturbed, chance, folder, data_root) == -9:
                kills[phase(folder / "sweep")] += 1
            run(folder, data_root, *ASKED)
        assert content(folder / "sweep") == undisturbed.content
        looks += reader.looks
        lives += 1
    print(f"{strike.__name__}: {kills.total()} kills in {lives} lives: {dict(kills)}; read: {dict(looks)}")
    assert looks[".json"] > 10 * lives


def test_no_file_is_written_under_its_own_name(undisturbed: Undisturbed) -> None:
    assert len(undisturbed.opened) > 40
    bare = {path.name for path in undisturbed.opened if not path.name.startswith(".")}
    assert bare == {"real.png", "epoch_0001.png"}, "only the pictures of the run that is read off, as links"


@pytest.mark.parametrize("module", ["ganexp.evaluate", "ganexp.report"])
def test_killed_while_scoring_or_reporting_what_was_there_stays(
    module: str, undisturbed: Undisturbed, tmp_path: Path, data_root: Path
) -> None:
    shutil.copytree(undisturbed.folder / "sweep", tmp_path / "sweep")
    chance = random.Random(module)
    started = time.monotonic()
    run(tmp_path, data_root, "sweep", module=module)
    whole = time.monotonic() - started
    with Reader(tmp_path):
        for _ in range(max(1, KILLS // 3)):
            child = Child(tmp_path, data_root, "sweep", module=module)
            child.wait(chance.uniform(0.0, whole))
            child.kill()
            kept = {name: value for name, value in content(tmp_path / "sweep").items() if ".tmp" not in name}
            assert kept == undisturbed.content


def test_where_links_are_not_possible_pictures_are_copied_whole(
    undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = max((undisturbed.folder / "sweep").glob("*/samples"), key=lambda path: len(list(path.iterdir()))).parent
    targets: list[str] = []
    copyfile = shutil.copyfile

    def no_links(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    def noting(source: Path, target: Path) -> None:
        targets.append(Path(target).name)
        copyfile(source, target)

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(shutil, "copyfile", noting)
    RunFolder(tmp_path).link_samples(RunFolder(run_dir), 2)
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        "epoch_0001.png",
        "epoch_0002.png",
        "real.png",
    ]
    assert len(targets) == 3
    assert all(name.startswith(".") for name in targets)
