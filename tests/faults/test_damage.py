"""Files that are damaged from outside: bytes that flip, rows that are cut, files that are empty."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from children import ASKED, run
from compare import content
from rounds import ROUNDS
from undisturbed import undisturbed_sweep

from ganexp.config.run_spec import RunSpec
from ganexp.files import checkpoint
from ganexp.files.record import read_metrics
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import write
from ganexp.report import write_report
from ganexp.trainer.draw import sample
from ganexp.trainer.run import execute
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError
from helpers import TINY, make_spec
from synthetic import planned, write_plan, write_run


@pytest.fixture
def spec(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> RunSpec:
    """A run of four epochs, and of the generator of its second one besides."""
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    return make_spec(tmp_path, *TINY, "trainer.milestones=[2]")


def flip(path: Path, chance: random.Random) -> None:
    """Change one byte, anywhere."""
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= chance.randint(1, 255)
    path.write_bytes(data)


def unfinish(spec: RunSpec) -> None:
    """Make a finished run look like one whose process died."""
    status = RunFolder(spec.directory).status()
    assert status is not None
    write(spec.directory / "status.json", replace(status, state=State.RUNNING))


def weights(spec: RunSpec) -> tuple[str, object]:
    tensors, meta = checkpoint.load(RunFolder(spec.directory).state_checkpoints()[0])
    rows = [{k: v for k, v in row.items() if k != "train_seconds"} for row in meta["history"]]
    return checkpoint.weights_sha256(tensors), rows


def test_no_flipped_byte_of_a_checkpoint_goes_unnoticed(tmp_path: Path) -> None:
    path, damaged, chance = tmp_path / "a.safetensors", tmp_path / "b.safetensors", random.Random(5)
    tensors = {"a.weight": torch.randn(5, 3), "b": torch.randn(4, dtype=torch.float64), "c": torch.tensor(7)}
    checkpoint.save(path, tensors, {"step": 7, "history": [{"epoch": 1, "d_loss": 0.5}]})
    wanted, noticed = checkpoint.load(path), 0
    whole = path.read_bytes()
    other_types = [whole.replace(b'"F32"', b'"I32"'), whole.replace(b'"F64"', b'"U64"')]
    assert all(len(data) == len(whole) and data != whole for data in other_types)
    for number in range(1000 * ROUNDS):
        if number < len(other_types):
            damaged.write_bytes(other_types[number])
        else:
            damaged.write_bytes(whole)
            flip(damaged, chance)
        try:
            found = checkpoint.load(damaged)
        except checkpoint.CorruptCheckpointError:
            noticed += 1
            continue
        assert found[1] == wanted[1]
        for name, tensor in found[0].items():
            assert tensor.dtype == tensors[name].dtype and torch.equal(tensor, tensors[name])
    assert noticed > 900 * ROUNDS


def test_where_all_checkpoints_are_damaged_what_is_trained_anew_is_kept(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch, every_state: None
) -> None:
    from ganexp.trainer import loop

    execute(spec)
    wanted, chance = weights(spec), random.Random(6)
    unfinish(spec)
    for path in RunFolder(spec.directory).state_checkpoints():
        flip(path, chance)
    steps, train_step = [], loop.train_step

    def failing(*arguments: object) -> None:
        steps.append(1)
        if len(steps) in (5, 9):  # in the second epoch, and in the third
            raise KeyboardInterrupt
        train_step(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "train_step", failing)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            execute(spec)
        unfinish(spec)
    execute(spec)
    assert len(steps) == 12 + 2 + 1, "of the epochs that were broken off, the steps that were lost, and no more"
    assert weights(spec) == wanted


def test_another_epoch_never_stands_in_for_a_damaged_generator(spec: RunSpec) -> None:
    execute(spec)
    wanted = sample(spec.directory, 4)
    damaged = RunFolder(spec.directory).generator_checkpoint(4)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert (sample(spec.directory, 4) == wanted).all(), "the full checkpoint of the same epoch has it too"
    for path in RunFolder(spec.directory).state_checkpoints():
        path.unlink()
    with pytest.raises(DirectoryError, match=r"generator of epoch 4.*\[2, 4\](.|\n)*generator_0004.*not a readable"):
        sample(spec.directory, 4)
    assert not (sample(spec.directory, 4, checkpoint="epoch=2") == wanted).all()


def test_a_full_checkpoint_of_another_epoch_never_stands_in_for_a_damaged_generator(spec: RunSpec) -> None:
    execute(spec)
    flip(RunFolder(spec.directory).generator_checkpoint(2), random.Random(9))
    with pytest.raises(DirectoryError, match=r"generator of epoch 2.*\[2, 4\](.|\n)*generator_0002"):
        sample(spec.directory, 4, checkpoint="epoch=2")


def test_a_damaged_milestone_costs_the_shorter_run_alone(spec: RunSpec, tmp_path: Path) -> None:
    execute(spec)
    unfinish(spec)
    flip(RunFolder(spec.directory).generator_checkpoint(2), random.Random(7))
    reading_off = make_spec(tmp_path, *TINY, "trainer.milestones=[2]", "sweep.read_off=[2]")
    assert execute(reading_off).state is State.COMPLETED
    short = make_spec(tmp_path, *TINY, "trainer.epochs=2")
    assert not short.directory.exists()
    assert execute(short).state is State.COMPLETED
    assert len(read_metrics(short.directory / "metrics.csv")) == 2


def test_a_cut_table_is_never_read_as_a_whole_one(tmp_path: Path) -> None:
    path = write_run(tmp_path, planned(1), State.COMPLETED) / "metrics.csv"
    whole = path.read_bytes()
    rows = read_metrics(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            assert read_metrics(path) == rows[: whole[:length].count(b"\n") - 1]
            assert whole[:length].endswith(b"\n")
        except ValueError as error:
            assert str(path) in str(error)
    for garbage in (b"\0" * 40 + b"\n", b'"', b"\xff\xfe\n", whole + b"1,2\n", whole.replace(b",", b";")):
        path.write_bytes(garbage)
        with pytest.raises(ValueError, match=r"metrics\.csv|decode|convert"):
            read_metrics(path)


def test_a_report_is_written_whatever_was_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chance, runs = random.Random(8), [planned(number, seed=number, trajectory=f"t{number}") for number in range(4)]
    write_plan(tmp_path, runs, ["seed"])
    folders = [write_run(tmp_path, each, State.COMPLETED) for each in runs]
    folders.append(write_run(tmp_path, runs[3], State.FAILED, error={"type": "E", "message": "m"}))
    names = ("metrics.csv", "result.json", "status.json")
    whole = {folder / name: (folder / name).read_bytes() for folder in folders for name in names}
    for _ in range(6 * ROUNDS):
        path = chance.choice(sorted(whole))
        path.write_bytes(whole[path][: chance.randrange(len(whole[path]))])
        assert write_report([tmp_path]).stat().st_size > 1000
        path.write_bytes(whole[path])
    assert "its epochs are left out" in caplog.text


def test_a_sweep_whose_files_were_emptied_is_mended_by_the_same_command(tmp_path: Path, data_root: Path) -> None:
    undisturbed = undisturbed_sweep(data_root)
    sweep = tmp_path / "sweep"
    shutil.copytree(undisturbed.folder / "sweep", sweep)
    one, other = sorted(path.parent for path in sweep.glob("*/status.json"))
    (one / "status.json").write_text("")
    cut = (one / "metrics.csv").read_text()
    (one / "metrics.csv").write_text(cut[: len(cut) // 2])
    (other / "result.json").write_text((other / "result.json").read_text()[:100])
    told = run(tmp_path, data_root, "sweep", module="ganexp.status")
    assert "1 INTERRUPTED, 1 PENDING" in told
    assert "result.json is gone or damaged" in " ".join(told.split())
    run(tmp_path, data_root, "sweep", module="ganexp.report")
    run(tmp_path, data_root, *ASKED)
    assert content(sweep) == undisturbed.content
