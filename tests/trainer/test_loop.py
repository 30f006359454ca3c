import numpy as np
import pytest
import torch

from ganexp.loss import non_saturating
from ganexp.model import mlp
from ganexp.optim import adam, sgd
from ganexp.trainer.batches import Batches
from ganexp.trainer.loop import Limits, train
from ganexp.trainer.state import TrainState
from ganexp.trainer.step import Game
from ganexp.types.errors import Diverged, Interrupted

SHAPE = (1, 4, 4)


class Watcher:
    def __init__(self, stop_at=None):
        self.rows, self.steps, self.stop_at = [], 0, stop_at

    def interrupted(self):
        return self.steps == self.stop_at

    def stepped(self, step):
        self.steps = step

    def epoch_done(self, row):
        self.rows.append(row)


def setup(lr=1e-3, make=adam):
    torch.manual_seed(0)
    gan = mlp(SHAPE, latent_dim=3, generator_widths=(6,), discriminator_width=6, maxout_units=4)
    build = lambda parameters: make(parameters, lr=lr)  # noqa: E731
    state = TrainState(gan, build, build, ema=False, device=torch.device("cpu"))
    images = np.random.default_rng(0).integers(0, 256, (10, *SHAPE), dtype=np.uint8)
    return state, Batches(images, 4, 1, 0, torch.device("cpu")), Game(non_saturating(), None, 2, None, False)


def test_rows_of_whole_epochs():
    watcher = Watcher()
    train(*setup(), Limits(3), 0, watcher)
    assert [(r["epoch"], r["step"], r["images_seen"]) for r in watcher.rows] == [(1, 3, 10), (2, 6, 20), (3, 9, 30)]
    assert all(0 < row["d_real"] < 1 and 0 < row["d_fake"] < 1 for row in watcher.rows)


@pytest.mark.parametrize(("limit", "rows"), [(2, [(1, 2, 8)]), (3, [(1, 3, 10)]), (4, [(1, 3, 10), (2, 4, 14)])])
def test_max_steps_ends_with_the_epoch_in_progress_as_last_row(limit, rows):
    watcher = Watcher()
    train(*setup(), Limits(50, max_steps=limit), 0, watcher)
    assert [(r["epoch"], r["step"], r["images_seen"]) for r in watcher.rows] == rows


def test_max_seconds_ends_too():
    watcher = Watcher()
    train(*setup(), Limits(10_000_000, max_seconds=0.05), 0, watcher)
    assert 0.05 <= watcher.rows[-1]["train_seconds"] < 5


def test_an_interruption_falls_between_two_steps_and_changes_nothing():
    whole, parts = Watcher(), Watcher(stop_at=4)
    straight, batches, game = setup()
    train(straight, batches, game, Limits(3), 0, whole)
    stopped, batches, game = setup()
    with pytest.raises(Interrupted):
        train(stopped, batches, game, Limits(3), 0, parts)
    assert stopped.step == 4
    parts.stop_at = None
    train(stopped, batches, game, Limits(3), 0, parts)
    strip = lambda rows: [{k: v for k, v in r.items() if k != "train_seconds"} for r in rows]  # noqa: E731
    assert strip(parts.rows) == strip(whole.rows)
    for a, b in zip(straight.generator.parameters(), stopped.generator.parameters(), strict=True):
        assert torch.equal(a, b)


def test_divergence_names_the_epoch_and_the_cause():
    with pytest.raises(Diverged, match=r"epoch 1, step \d+: .*(is (nan|inf)|not finite)"):
        train(*setup(lr=1e30, make=sgd), Limits(3), 0, Watcher())
