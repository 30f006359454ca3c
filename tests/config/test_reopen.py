"""Run directories from elsewhere: damaged, foreign or hostile."""

import shutil

import pytest

from ganexp.config.reopen import open_run, run_dirs
from ganexp.files.generator import generator_weights, parse_checkpoint
from ganexp.trainer import run
from ganexp.trainer.draw import sample
from ganexp.types.errors import ConfigError, DirectoryError
from helpers import TINY, make_spec


@pytest.fixture(scope="module")
def made(tmp_path_factory, data_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANEXP_DATA", str(data_root))
        return run.execute(make_spec(tmp_path_factory.mktemp("made"), *TINY, "trainer.epochs=1")).directory


@pytest.fixture
def finished(made, tmp_path, data_root, monkeypatch):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    return shutil.copytree(made, tmp_path / made.name)


def test_a_run_is_found_again_under_the_same_identity(finished):
    spec = open_run(finished, [])
    assert finished.name.endswith(spec.identity.run_id[:8])


def test_a_strangers_configuration_calls_nothing_and_cannot_extend_trust(finished, tmp_path):
    config = finished / ".hydra" / "config.yaml"
    text = config.read_text().replace("ganexp.model.mlp", "os.system").replace("trust: []", "trust: ['*']")
    config.write_text(text)
    with pytest.raises(ConfigError, match=r"model\._target_"):
        sample(finished, 3)


@pytest.mark.parametrize("content", ["", "[1, 2]", "a: [", "a: ${b}", "\x00", "!!python/object/apply:os.system ['x']"])
def test_an_unreadable_configuration_is_refused(finished, content):
    (finished / ".hydra" / "config.yaml").write_text(content)
    with pytest.raises((DirectoryError, ConfigError)):
        open_run(finished, [])


def test_a_huge_configuration_is_not_read(finished):
    (finished / ".hydra" / "config.yaml").write_text("#" * 2_000_000)
    with pytest.raises(DirectoryError, match="at most"):
        open_run(finished, [])


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(DirectoryError, match="expected a run or sweep directory"):
        run_dirs(tmp_path)
    with pytest.raises(DirectoryError, match=r"expected a run directory, found no status\.json"):
        open_run(tmp_path, [])


def test_links_out_of_a_sweep_directory_are_not_followed(finished, tmp_path):
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    (sweep / "outside").symlink_to(finished)
    with pytest.raises(DirectoryError):
        run_dirs(sweep)


def test_a_damaged_generator_falls_back_to_the_full_checkpoint(finished):
    whole, _ = generator_weights(finished, None)
    (path,) = (finished / "checkpoints").glob("generator_*")
    path.write_bytes(b"damaged")
    again, _ = generator_weights(finished, None)
    assert all((whole[name] == again[name]).all() for name in whole)


@pytest.mark.parametrize(("text", "epoch"), [(None, None), ("epoch=20", 20)])
def test_checkpoint_names(text, epoch):
    assert parse_checkpoint(text) == epoch


@pytest.mark.parametrize("text", ["20", "step=3", "epoch=", "epoch=-1"])
def test_bad_checkpoint_names(text):
    with pytest.raises(DirectoryError, match="epoch=<number>"):
        parse_checkpoint(text)
