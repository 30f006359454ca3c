"""Mistakes in files of the configuration, and groups that are taken away: key, file, and what would be right."""

import bdb
import sys

import pytest
from hydra import compose
from hydra.core.global_hydra import GlobalHydra

from ganexp.config.hydra_keys import check_hydra
from ganexp.config.mistakes import composition_message
from ganexp.config.run_config import load
from ganexp.metrics.precision_recall import squared_radii
from ganexp.types.errors import ConfigError, in_words
from helpers import compose_config


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write an option of one's own, and give what the command line says of it: a message, or None."""
    monkeypatch.setattr(sys, "argv", ["ganexp", "--config-dir", str(tmp_path)])

    def message(text, option="experiment/mine", header="# @package _global_\n"):
        path = tmp_path / f"{option}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(header + text)
        choice = option.replace("/", "=")
        sys.argv.append(choice)
        compose_config()
        try:
            cfg = compose("config", [f"hydra.searchpath=[file://{tmp_path}]", choice], return_hydra_config=True)
            check_hydra(cfg.hydra)
        except ConfigError as error:
            return str(error)
        except Exception as error:
            return composition_message(error)
        return load(cfg) and None

    yield message
    GlobalHydra.instance().clear()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trainer: {batchsize: 3}\n", "trainer.batchsize: unknown key, in FILE. Did you mean 'trainer.batch_size'?"),
        ("width: 3\n", "width: unknown key, in FILE. A constant of your own goes under notes:"),
        ("trainer: {epochs: many}\n", "trainer.epochs: expected a whole number, got 'many', in FILE"),
        ("defaults: [{/experiment: quickstart}]\n", "FILE: expected defaults that choose no experiment again"),
        ("defaults: [{override /experiment: debug}]\n", "FILE: expected defaults that choose no experiment again"),
        ("defaults: [mine]\n", "FILE: expected defaults that choose no experiment again, got 'mine'"),
    ],
)
def test_a_mistake_in_a_preset_names_key_file_and_what_would_be_right(own, tmp_path, text, words):
    said = own(text)
    assert said.startswith(words.replace("FILE", str(tmp_path / "experiment" / "mine.yaml"))), said


def test_so_does_one_in_an_option_of_any_group(own, tmp_path):
    said = own("defaults: [default]\nbatchsize: 3\n", option="trainer/mine", header="")
    assert said.startswith(f"trainer.batchsize: unknown key, in {tmp_path / 'trainer' / 'mine.yaml'}. Did you mean")


@pytest.mark.parametrize(
    "text", ["defaults: [quickstart]\n", "notes: {w: 64}\nmodel: {generator_widths: ['${notes.w}']}\n"]
)
def test_what_a_preset_may_do(own, text):
    assert own(text) is None


@pytest.mark.parametrize("group", ["dataset", "model", "loss", "penalty", "augment", "optim", "logger"])
def test_a_group_that_is_taken_away_is_named_with_its_options(group):
    with pytest.raises(ConfigError, match=rf"^{group}: expected one of \w+, .*, got none \(~{group} takes"):
        load(compose_config(f"~{group}"))


def test_a_breakpoint_in_a_worker_says_which_launcher_has_a_terminal():
    assert "hydra/launcher=basic" in in_words(bdb.BdbQuit())
    assert "hydra/launcher=basic" in in_words(EOFError("EOF when reading a line"))
    assert in_words(ValueError("x")) == "x"


def test_too_few_images_name_the_key():
    torch = pytest.importorskip("torch")
    from ganexp.types.errors import DataError

    with pytest.raises(DataError, match=r"^metrics\.num_samples: expected more than k=3 images.*got 3"):
        squared_radii(torch.zeros(3, 2), 3)
