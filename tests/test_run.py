"""Whole runs in this process: what they leave, and what happens when they are asked for again."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from ganexp.files.checkpoint import load, weights_sha256
from ganexp.files.record import COLUMNS, read_metrics
from ganexp.files.run_folder import RunFolder
from ganexp.files.status import write as write_status
from ganexp.trainer import run
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError, DataError, DirectoryError
from helpers import TINY, make_spec


@pytest.fixture
def spec(tmp_path, data_root, monkeypatch, no_losses_figure, every_state):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))

    def make(*overrides, **settings):
        other = any(override.startswith("model=") for override in overrides)
        tiny = [override for override in TINY if not (other and override.startswith("model."))]
        return make_spec(tmp_path, *tiny, *overrides, **settings)

    return make


def fingerprint(spec):
    """What must be the same bits: the newest full checkpoint, and metrics.csv but for seconds."""
    tensors, _ = load(RunFolder(spec.directory).state_checkpoints()[0])
    rows = [
        {k: v for k, v in row.items() if k != "train_seconds"} for row in read_metrics(spec.directory / "metrics.csv")
    ]
    return weights_sha256(tensors), rows


def test_a_finished_run_leaves_everything(spec):
    done = run.execute(spec())
    here = done.directory
    assert done.state is State.COMPLETED
    assert here.name.startswith("digits-mlp-non_saturating-")
    for name in ("config.yaml", "overrides.yaml", "hydra.yaml"):
        assert (here / ".hydra" / name).stat().st_size > 0
    with (here / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(r["epoch"], r["step"], r["images_seen"]) for r in rows] == [
        ("1", "3", "48"),
        ("2", "6", "96"),
        ("3", "9", "144"),
        ("4", "12", "192"),
    ]
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in COLUMNS[6:])
    status = json.loads((here / "status.json").read_text())
    assert (status["state"], status["epoch"], status["epochs"], status["error"]) == ("COMPLETED", 4, 4, None)
    result = json.loads((here / "result.json").read_text())
    assert result["run_id"] == status["run_id"]
    assert result["final"]["epoch"] == 4
    assert result["provenance"]["threads"] == 1
    assert result["provenance"]["versions"]["torch"]
    pictures = sorted(path.name for path in (here / "samples").iterdir())
    assert pictures == ["epoch_0001.png", "epoch_0002.png", "epoch_0003.png", "epoch_0004.png", "real.png"]
    assert (here / "losses.png").exists()
    kept = sorted(path.name for path in (here / "checkpoints").iterdir())
    assert kept == ["generator_0004.safetensors", "state_00000009.safetensors", "state_00000012.safetensors"]


def test_a_finished_run_is_read_not_repeated(spec):
    first = run.execute(spec())
    stamp = (first.directory / "metrics.csv").stat().st_mtime_ns
    again = run.execute(spec())
    assert (again.state, again.message) == (State.COMPLETED, "already done")
    assert (first.directory / "metrics.csv").stat().st_mtime_ns == stamp


def test_a_longer_run_starts_from_a_shorter_one_and_ends_with_the_same_bits(spec, tmp_path):
    straight = spec()
    run.execute(straight)
    wanted = fingerprint(straight)
    shutil.rmtree(straight.directory)
    half = spec("trainer.epochs=2")
    run.execute(half)
    before = fingerprint(half)
    notes = count_steps(run.execute, spec())
    assert notes == 6, "the longer run trains the missing half alone"
    assert fingerprint(straight) == wanted
    assert fingerprint(half) == before
    assert sorted(p.name for p in (straight.directory / "samples").iterdir())[:2] == [
        "epoch_0001.png",
        "epoch_0002.png",
    ]


def count_steps(call, *arguments):
    """How many training steps a call takes."""
    from ganexp.trainer import loop

    steps, original = [], loop.train_step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "train_step", lambda *a: (steps.append(1), original(*a))[1])
        call(*arguments)
    return len(steps)


def test_a_shorter_run_is_read_off_a_longer_one_that_kept_its_generator(spec):
    run.execute(spec("trainer.milestones=[2]"))
    short = spec("trainer.epochs=2")
    assert count_steps(run.execute, short) == 0
    alone = spec("trainer.epochs=2")
    result = json.loads((alone.directory / "result.json").read_text())
    assert result["read_off"].startswith("digits-mlp-")
    rows = read_metrics(alone.directory / "metrics.csv")
    read_off = load(RunFolder(alone.directory).generator_checkpoint(2))[0]
    shutil.rmtree(alone.directory.parent)
    run.execute(alone)
    assert weights_sha256(load(RunFolder(alone.directory).generator_checkpoint(2))[0]) == weights_sha256(read_off)
    strip = lambda rows: [{k: v for k, v in r.items() if k != "train_seconds"} for r in rows]  # noqa: E731
    assert strip(read_metrics(alone.directory / "metrics.csv")) == strip(rows)


def test_a_trajectory_writes_its_shorter_runs_as_it_passes_them(spec):
    long = spec("trainer.milestones=[1,3]", "sweep.read_off=[1,3]")
    run.execute(long)
    for epochs in (1, 3):
        short = spec(f"trainer.epochs={epochs}")
        status = RunFolder(short.directory).status()
        assert (status.state, status.epoch, status.run_id) == (State.COMPLETED, epochs, short.identity.run_id)
        assert len(read_metrics(short.directory / "metrics.csv")) == epochs
        assert len(list((short.directory / "samples").iterdir())) == epochs + 1
        assert "trainer.epochs" in (short.directory / ".hydra" / "overrides.yaml").read_text()
        assert run.execute(short).message == "already done"


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(spec):
    straight = spec()
    run.execute(straight)
    wanted = fingerprint(straight)
    newest, older = RunFolder(straight.directory).state_checkpoints()
    unfinish(straight)
    newest.write_bytes(newest.read_bytes()[:-7] + b"garbage")
    assert count_steps(run.execute, straight) == 3
    assert fingerprint(straight) == wanted
    unfinish(straight)
    for path in (newest, older):
        path.write_bytes(b"not a checkpoint")
    assert count_steps(run.execute, straight) == 12
    assert fingerprint(straight) == wanted


def unfinish(spec):
    """Make a finished run look like one whose process died."""
    status = RunFolder(spec.directory).status()
    write_status(spec.directory / "status.json", replace(status, state=State.RUNNING))
    (spec.directory / "result.json").unlink()


@pytest.mark.parametrize(
    "overrides",
    [
        ("trainer.real_batch=fresh",),
        ("trainer.fake_batch=reuse",),
        ("trainer.ema_kimg=0.05", "trainer.ema_rampup=0.2"),
        ("trainer.precision=bf16",),
        pytest.param(
            ("trainer.compile=aot_eager",),
            marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore:The .grad attribute")],
        ),
        ("loss=minimax", "loss.warmup_epochs=2"),
        ("optim=adamw",),
        ("optim=rmsprop",),
        ("optim=sgd", "optim.momentum=0.5"),
        ("optim._target_=torch.optim.NAdam", "~optim.weight_decay", "~optim.generator", "~optim.discriminator"),
        ("model.latent=uniform",),
        ("loss=lsgan",),
        ("loss=wgan", "penalty=clip"),
        ("loss=hinge", "model.spectral_norm=true"),
        ("loss=relativistic", "penalty=r1_r2", "penalty.every_steps=3", "penalty/schedule=linear"),
        ("penalty=r1",),
        ("penalty=r2", "trainer.precision=bf16"),
        ("penalty=wgan_gp",),
        ("augment=diffaugment", "penalty=r1", "trainer.real_batch=fresh"),
        ("augment=flip", "loss.label_smoothing=0.1", "trainer.precision=bf16"),
        ("model.conditional=true", "trainer.real_batch=fresh", "loss=relativistic"),
        ("optim/schedule=cosine", "trainer.ema_kimg=0.05"),
        ("optim=sgd", "optim/schedule=exponential", "+optim.schedule.momentum={shape:linear,epochs:3}"),
        ("model=mlp_2014", "model.generator_widths=[8]", "model.maxout_units=4"),
        ("model=dcgan", "model.width=2", "trainer.ema_kimg=0.05"),
        ("model=dcgan", "model.width=2", "model.generator_dense=3", "model.discriminator_dense=3"),
        ("model=dcgan", "model.width=2", "model.spectral_norm=true", "trainer.batch_size=47"),
        ("model=resnet", "model.generator_width=2", "model.discriminator_width=2"),
    ],
    ids="-".join,
)
def test_interrupted_runs_end_with_the_same_bits_for_every_option(spec, overrides):
    from ganexp.trainer import loop

    straight = spec(*overrides)
    run.execute(straight)
    wanted = fingerprint(straight)
    shutil.rmtree(straight.directory)
    original, count = loop.train_step, 0

    def failing(*arguments):
        nonlocal count
        count += 1
        if count == 5:
            raise RuntimeError("the power is gone")
        original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "train_step", failing)
        with pytest.raises(RuntimeError, match="power"):
            run.execute(straight)
    assert RunFolder(straight.directory).status().state is State.FAILED
    run.execute(spec(*overrides, "sweep.retry=failed"))
    assert fingerprint(straight) == wanted


def test_a_failed_run_is_tried_again_only_when_asked(spec, monkeypatch):
    from ganexp.trainer import loop

    def broken(*arguments):
        raise RuntimeError("no luck")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", broken)
        with pytest.raises(RuntimeError, match="no luck"):
            run.execute(spec())
    failed = run.execute(spec())
    assert failed.state is State.FAILED
    assert "no luck" in failed.message
    assert "sweep.retry=failed" in failed.message
    assert run.execute(spec("sweep.retry=failed")).state is State.COMPLETED


def test_divergence_is_a_state_of_its_own_and_keeps_the_last_good_checkpoint(spec):
    outcome = run.execute(spec("optim=sgd", "optim.lr=1e30"))
    assert outcome.state is State.DIVERGED
    status = RunFolder(outcome.directory).status()
    assert status.state is State.DIVERGED
    assert "epoch 1" in status.error["message"]
    assert not (outcome.directory / "result.json").exists()


def test_another_configuration_in_the_same_directory_is_refused_and_nothing_touched(spec):
    first = spec()
    run.execute(first)
    before = {p: p.read_bytes() for p in first.directory.rglob("*") if p.is_file()}
    other = replace(spec("optim.lr=0.5"), directory=first.directory)
    with pytest.raises(DirectoryError, match=r"optim\.generator\.lr: there 0\.001, asked 0\.5"):
        run.execute(other)
    assert {p: p.read_bytes() for p in first.directory.rglob("*") if p.is_file()} == before


def test_a_folder_of_something_else_is_refused(spec):
    asked = spec()
    (asked.directory / "samples").mkdir(parents=True)
    (asked.directory / "samples" / "real.png").touch()
    with pytest.raises(DirectoryError, match=r"samples/real\.png"):
        run.execute(asked)


def test_a_batch_larger_than_the_dataset_is_refused(spec):
    with pytest.raises(ConfigError, match=r"trainer\.batch_size: expected at most 48.*got 49"):
        spec("trainer.batch_size=49")


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(spec):
    asked = spec("trainer.device=cuda:99")
    with pytest.raises(DataError, match=r"trainer\.device.*'cuda:99'"):
        run.execute(asked)
    assert not asked.directory.exists()


def test_max_steps_finishes_as_usual(spec):
    done = run.execute(spec("trainer.max_steps=4"))
    rows = read_metrics(done.directory / "metrics.csv")
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 3), (2, 4)]
    assert (done.directory / "result.json").exists()


def test_samples_at_a_cadence_and_at_the_end(spec):
    done = run.execute(spec("trainer.samples_every_epochs=3"))
    assert sorted(p.stem for p in (done.directory / "samples").iterdir()) == ["epoch_0003", "epoch_0004", "real"]


def test_an_unknown_metric_of_a_search_is_refused(spec):
    with pytest.raises(ConfigError, match="objective"):
        spec("metrics.objective=cfd")


def test_images_come_out_as_the_networks_made_them(spec):
    from ganexp.trainer.draw import sample

    done = run.execute(spec())
    images = sample(done.directory, 5)
    assert images.shape == (5, 1, 28, 28)
    assert images.dtype == np.uint8
    assert images.std() > 1
    assert np.array_equal(sample(done.directory, 12)[:5], images)
    assert not np.array_equal(sample(done.directory, 5, seed=1), images)
    assert sample(done.directory, 2, interpolate=True).shape == (20, 1, 28, 28)
    with pytest.raises(DirectoryError, match=r"epoch 1.*\[4\]"):
        sample(done.directory, 5, checkpoint="epoch=1")


def test_losses_without_a_probability_leave_the_probability_columns_empty(spec):
    done = run.execute(spec("loss=relativistic", "penalty=r1_r2", "trainer.epochs=1"))
    (row,) = read_metrics(done.directory / "metrics.csv")
    assert [name for name in COLUMNS if row[name] is None] == list(COLUMNS[6:])


def test_classes_are_asked_for_and_come_from_the_run_alone(spec, monkeypatch):
    from ganexp.trainer.draw import sample

    done = run.execute(spec("model.conditional=true", "trainer.epochs=1"))
    (row,) = read_metrics(done.directory / "metrics.csv")
    assert all(0 <= row[name] <= 1 for name in COLUMNS[6:])
    monkeypatch.setenv("GANEXP_DATA", "/nowhere")
    of_3, of_4 = sample(done.directory, 5, label=3), sample(done.directory, 5, label=4)
    assert not np.array_equal(of_3, of_4)
    mixed = sample(done.directory, 9)
    assert np.array_equal(sample(done.directory, 5), mixed[:5])
    assert not np.array_equal(mixed[:5], of_3)
    rows = sample(done.directory, 2, label=3, interpolate=True)
    assert np.array_equal(rows[0], of_3[0])
    with pytest.raises(DirectoryError, match=r"--label: expected a class from 0 to 9, got 10"):
        sample(done.directory, 5, label=10)


def test_a_label_of_an_unconditional_run_is_refused(spec):
    from ganexp.trainer.draw import sample

    done = run.execute(spec("trainer.epochs=1"))
    with pytest.raises(DirectoryError, match=r"--label: expected a run with model\.conditional=true"):
        sample(done.directory, 5, label=3)


def test_a_schedule_that_depends_on_the_epochs_trains_from_the_start(spec):
    run.execute(spec("trainer.epochs=2", "optim/schedule=linear"))
    assert count_steps(run.execute, spec("optim/schedule=linear")) == 12
    fixed = ("optim/schedule=linear", "optim.schedule.lr.epochs=null", "optim.schedule.lr.kimg=0.1")
    run.execute(spec("trainer.epochs=2", *fixed))
    assert count_steps(run.execute, spec(*fixed)) == 6


def test_the_newest_picture_and_checkpoint_are_those_of_the_highest_number(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    for epoch in (9998, 9999, 10000):
        folder.generator_checkpoint(epoch).touch()
        folder.state_checkpoint(epoch * 10000).touch()
    assert folder.generator_checkpoints()[0] == folder.generator_checkpoint(10000)
    assert folder.state_checkpoints()[0] == folder.state_checkpoint(100000000)
    folder.prune_states(1, 99990000)
    assert folder.state_checkpoints() == [folder.state_checkpoint(99990000)]


def test_a_late_classifier_interrupted_goes_on_in_the_run(spec, tmp_path, monkeypatch):
    """Pictures come before the classifier of own data, and what is interrupted in it loses no epoch."""
    from ganexp.metrics import classifiers
    from ganexp.metrics.classifier_network import Recipe
    from ganexp.trainer.signals import Signals

    monkeypatch.setattr(classifiers, "OWN_RECIPE", Recipe(epochs=0, least_steps=8, batch_size=8))
    random = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", random.integers(0, 256, (200, 1, 12, 12), np.uint8))
    np.save(tmp_path / "y.npy", np.arange(200) % 5)
    own = ["dataset=arrays", f"dataset.images={tmp_path}/x.npy", f"dataset.labels={tmp_path}/y.npy"]
    own += ["dataset.num_images=null", f"dataset.root={tmp_path}/root", "trainer.epochs=2"]
    own += ["metrics=default", "metrics.num_samples=10"]
    asked, seen, take_up = spec(*own), [], classifiers.train

    def stopped(*arguments, **settings):
        status = RunFolder(asked.directory).status()
        seen.append((asked.folder.samples_png(1).exists(), status.state, status.doing))
        signals[-1].received = 2
        return take_up(*arguments, **settings)

    signals = []
    made = Signals.__init__
    monkeypatch.setattr(Signals, "__init__", lambda self: (made(self), signals.append(self))[0])
    monkeypatch.setattr(classifiers, "train", stopped)
    assert run.execute(asked).state is State.INTERRUPTED
    assert seen == [(True, State.RUNNING, seen[0][2])]
    monkeypatch.setattr(classifiers, "train", take_up)
    assert run.execute(asked).state is State.COMPLETED
    rows = asked.folder.rows()
    assert [row["epoch"] for row in rows] == [1, 2] and all(row["rfd"] is not None for row in rows)
    result = asked.folder.result()
    assert result["objective"]["name"] == "rfd" and "cfd" in result["provenance"]["metrics"]["marked"]
    whole = replace(asked, directory=tmp_path / "elsewhere" / asked.directory.name)
    assert run.execute(whole).state is State.COMPLETED
    assert fingerprint(asked) == fingerprint(whole)
