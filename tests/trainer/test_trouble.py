import pytest

from ganexp.trainer import run
from ganexp.trainer.loop import epoch_row
from ganexp.trainer.trouble import MOST_LOSS, trouble_of
from ganexp.types.endings import State
from ganexp.types.errors import Diverged
from helpers import TINY, make_spec

FLOORS = {"cfd": 1.0, "recall": 0.8, "precision": 0.8}
MEASURED = {"metrics": {name: {"version": 2} for name in FLOORS}, "num_samples": 5000}


def row(**values):
    return {"epoch": 1, "d_loss": 1.3, "g_loss": 0.7, "d_real": 0.6, "d_fake": 0.4, **values}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row()], ""),
        ([row(g_loss=1e21)], "g_loss is 1e+21: the losses run away"),
        ([row(d_real=0.9999, d_fake=1e-5)], ""),
        ([row(d_real=0.9999, d_fake=1e-5)] * 2, "right about more than 99.9% of all images"),
        ([row(d_real=0.9999, d_fake=1e-5), row()], ""),
        ([row(cfd=100.0, recall=0.01, precision=0.7)], "over and over (recall is 0.01, that of real images 0.8)"),
        ([row(cfd=100.0, recall=0.7, precision=0.7)], ""),
    ],
)  # fmt: skip
def test_trouble_in_words(rows, words):
    said = trouble_of(rows, FLOORS, MEASURED, probabilistic=True)
    assert (words in said) if words else said == ""
    assert bool(said) == ("penalty=r1" in said)


def test_a_loss_without_a_probability_never_wins():
    assert trouble_of([row(d_real=1.0, d_fake=0.0)] * 2, {}, {}, probabilistic=False) == ""


class Batches:
    def images_seen(self, step):
        return step


class Sums:
    step, train_seconds = 1, 1.0

    def __init__(self, value):
        import torch

        self.sums = torch.tensor([value, 0.0, 0.0, 0.0, 1.0], dtype=torch.float64)


@pytest.mark.parametrize("value", [1e21, -1e21, float("nan"), float("inf")])
def test_losses_beyond_all_bounds_diverge(value):
    with pytest.raises(Diverged, match="epoch 1, step 1: d_loss is"):
        epoch_row(Sums(value), Batches(), 1)
    assert epoch_row(Sums(MOST_LOSS / 2), Batches(), 1)["d_loss"] == MOST_LOSS / 2


def test_a_run_says_it_in_status_result_and_last_line(tmp_path, data_root, monkeypatch):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    monkeypatch.setattr("ganexp.trainer.trouble.SURE", 0.5)
    monkeypatch.setattr("ganexp.trainer.trouble._wins", lambda row: True)
    done = run.execute(make_spec(tmp_path, *TINY))
    assert done.state is State.COMPLETED and "\n  trouble: the discriminator is right" in done.message
    folder = make_spec(tmp_path, *TINY).folder
    assert folder.status().trouble == folder.result()["trouble"] != ""
