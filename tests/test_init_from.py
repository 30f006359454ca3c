"""trainer.init_from: a training that starts from another run's weights, goes on without it, and what is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganexp.config.reopen import open_run, open_to_work
from ganexp.files import checkpoint, initial
from ganexp.files.run_folder import RunFolder
from ganexp.trainer import loop, run
from ganexp.trainer.build import build_state
from ganexp.trainer.initial import start_from
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError
from helpers import TINY, make_spec


@pytest.fixture(autouse=True)
def own_root(tmp_path, monkeypatch):
    """A data root, where copies are kept, of each test."""
    monkeypatch.setenv("GANEXP_DATA", str(tmp_path / "data"))
    initial._read.cache_clear()


@pytest.fixture
def source(tmp_path, no_losses_figure):
    """A finished run of four epochs, with an average."""
    spec = make_spec(tmp_path / "source", *tiny(tmp_path), "trainer.ema_kimg=1")
    run.execute(spec)
    return spec.directory


def tiny(tmp_path):
    return (*TINY, f"dataset.root={tmp_path / 'data'}")


def tuned(tmp_path, source, *overrides):
    return make_spec(
        tmp_path / "tuned", *tiny(tmp_path), f"trainer.init_from={source}", "optim.lr=2e-3", "dataset.num_images=40",
        *overrides,
    )  # fmt: skip


def newest(directory):
    return checkpoint.load(RunFolder(directory).state_checkpoints()[0])


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def forget(tmp_path):
    for folder in (tmp_path / "data").rglob("init"):
        shutil.rmtree(folder)
    initial._read.cache_clear()


@pytest.mark.parametrize("average", ["trainer.ema_kimg=1", "trainer.ema_kimg=null"])
def test_it_starts_from_the_weights_and_is_a_run_of_its_own(tmp_path, source, average):
    spec = tuned(tmp_path, source, average)
    plain = make_spec(tmp_path, *tiny(tmp_path), "optim.lr=2e-3", "dataset.num_images=40", average)
    assert spec.identity.run_id != plain.identity.run_id
    assert spec.identity.trajectory_id != plain.identity.trajectory_id
    assert len(spec.identity.content["init_from"]) == 64
    assert "init_from" not in plain.identity.content
    state = build_state(spec)
    start_from(spec, state, print)
    tensors, _ = newest(source)
    for name, module in state._modules().items():
        assert same(module.state_dict(), checkpoint.without_prefix(name, tensors))
    assert state.step == 0
    assert run.execute(spec).state is State.COMPLETED


def fail_at(step):
    def failing(*arguments, original=loop.train_step, count=[0]):  # noqa: B006
        count[0] += 1
        if count[0] == step:
            raise RuntimeError("the power is gone")
        original(*arguments)

    return failing


@pytest.mark.parametrize("step", [1, 5])  # before the first checkpoint, and after it
@pytest.mark.parametrize("kept", [True, False])
def test_it_goes_on_to_the_same_bits_when_the_source_is_gone(tmp_path, source, step, kept, no_losses_figure):
    straight = tuned(tmp_path, source)
    run.execute(straight)
    wanted = newest(straight.directory)[0]
    shutil.rmtree(straight.directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "train_step", fail_at(step))
        with pytest.raises(RuntimeError, match="power"):
            run.execute(straight)
    shutil.rmtree(source)
    initial._read.cache_clear()
    if kept:
        again = replace(tuned(tmp_path, source), config=replace(straight.config, sweep=retried(straight)))
        assert again.identity == straight.identity
    else:
        forget(tmp_path)
        with pytest.raises(ConfigError, match=r"expected the directory of a finished run, got .* no such folder"):
            tuned(tmp_path, source)
        again = open_to_work(straight.directory, [])
        again = replace(again, config=replace(again.config, sweep=retried(again)))
    if step == 1 and not kept:
        with pytest.raises(ConfigError, match="no such folder, and no copy of its weights"):
            run.execute(again)
        return
    assert run.execute(again).state is State.COMPLETED
    assert same(newest(straight.directory)[0], wanted)


def retried(spec):
    return replace(spec.config.sweep, retry="failed")


DCGAN = ("model=dcgan", "model.width=2", "model.latent_dim=8")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("model.generator_widths=[17]",), r"\(generator.body.0.weight of shape \(17, 8\)\), got .* \(16, 8\)\)"),
        (("dataset.image_size=16",), r"size of images \(generator.body.2.weight of shape \(256, 16\)\), got other"),
        (("model.conditional=true",), "networks of 10 classes, .*, got no labels in"),
        (DCGAN, "weights of model=dcgan"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, source, overrides, words):
    plain = [text for text in tiny(tmp_path) if overrides is not DCGAN or not text.startswith("model.")]
    with pytest.raises(ConfigError, match=f"trainer.init_from: expected .*{words}"):
        make_spec(tmp_path / "x", *plain, f"trainer.init_from={source}", *overrides)
    assert not (tmp_path / "x").exists()


def test_another_number_of_classes_is_refused(tmp_path, no_losses_figure):
    import numpy as np

    paths = []
    for classes in (4, 3):
        images = np.random.default_rng(classes).integers(0, 256, (48, 1, 8, 8), dtype=np.uint8)
        np.savez(tmp_path / f"{classes}.npz", images=images, labels=np.arange(48) % classes)
        data = ("dataset=arrays", f"dataset.images={tmp_path / f'{classes}.npz'}", "dataset.num_images=30")
        paths.append([*(t for t in tiny(tmp_path) if "num_images" not in t), *data, "model.conditional=true"])
    spec = make_spec(tmp_path / "four", *paths[0])
    run.execute(spec)
    with pytest.raises(ConfigError, match=r"expected networks of 3 classes, .*, got 4 classes in"):
        make_spec(tmp_path / "three", *paths[1], f"trainer.init_from={spec.directory}")


def test_no_run_an_unfinished_one_and_links_are_refused(tmp_path, source):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"a folder without status.json"):
        tuned(tmp_path, tmp_path / "empty")
    status = (source / "status.json").read_text()
    (source / "status.json").write_text(status.replace("COMPLETED", "INTERRUPTED"))
    with pytest.raises(ConfigError, match=r"expected a finished run, got .*, which is INTERRUPTED"):
        tuned(tmp_path, source)
    (source / "status.json").write_text(status)
    (source / "elsewhere").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match=r"trainer.init_from: .*link"):
        tuned(tmp_path, source)


def test_nothing_of_the_source_is_run_or_asked_for_trust(tmp_path, source):
    for file in (source / ".hydra").iterdir():
        file.write_text(file.read_text().replace("ganexp.model.mlp", "os.system"))
    assert tuned(tmp_path, source).identity.content["init_from"]


def test_a_cleaned_source_gives_what_it_gave_or_its_generator_alone(tmp_path, source, caplog):
    before = tuned(tmp_path, source).identity
    for path in RunFolder(source).state_checkpoints():
        path.unlink()
    assert tuned(tmp_path, source).identity == before
    forget(tmp_path)
    alone = tuned(tmp_path, source)
    assert alone.identity != before
    assert "kept its generator alone; the discriminator starts anew" in caplog.text
    state = build_state(alone)
    start_from(alone, state, print)
    average = checkpoint.load(RunFolder(source).generator_checkpoints()[0])[0]
    assert same(state.generator.state_dict(), average)


def test_a_damaged_checkpoint_gives_the_copy_and_never_an_earlier_epoch(tmp_path, source, caplog):
    before = tuned(tmp_path, source).identity
    states = RunFolder(source).state_checkpoints()
    shutil.copy(states[0], states[0].with_name("state_00000001.safetensors"))
    states[0].write_bytes(states[0].read_bytes()[:-9])
    initial._read.cache_clear()
    assert tuned(tmp_path, source).identity == before
    (copy,) = (tmp_path / "data").rglob("init/*")
    copy.write_bytes(copy.read_bytes()[:-9])
    initial._read.cache_clear()
    with pytest.raises(ConfigError, match=r"expected a checkpoint that can be read, got .*state_"):
        tuned(tmp_path, source)


def test_a_copy_of_another_run_that_was_at_the_place_is_not_taken(tmp_path, source, no_losses_figure):
    before = tuned(tmp_path, source).identity
    shutil.rmtree(source)
    other = make_spec(tmp_path / "other", *tiny(tmp_path), "trainer.ema_kimg=1", "seed=1")
    run.execute(other)
    other.directory.rename(source)
    for path in RunFolder(source).state_checkpoints():
        path.unlink()
    initial._read.cache_clear()
    assert tuned(tmp_path, source).identity != before


def test_a_run_goes_on_though_other_networks_are_where_it_started_from(tmp_path, source, no_losses_figure):
    spec = tuned(tmp_path, source)
    run.execute(spec)
    shutil.rmtree(source)
    wider = [text for text in tiny(tmp_path) if "generator_widths" not in text]
    other = make_spec(tmp_path / "other", *wider, "model.generator_widths=[17]")
    run.execute(other)
    other.directory.rename(source)
    initial._read.cache_clear()
    assert run.execute(open_to_work(spec.directory, [])).state is State.COMPLETED


def test_a_reopened_run_keeps_its_identity_when_its_source_is_another_now(tmp_path, source, no_losses_figure):
    spec = tuned(tmp_path, source)
    run.execute(spec)
    shutil.rmtree(source)
    run.execute(make_spec(tmp_path / "source", *tiny(tmp_path), "trainer.ema_kimg=1", "seed=1"))
    other = next(Path(tmp_path / "source").iterdir())
    other.rename(source)
    initial._read.cache_clear()
    assert tuned(tmp_path, source).identity.run_id != spec.identity.run_id
    assert open_run(spec.directory, []).identity.run_id == spec.identity.run_id
