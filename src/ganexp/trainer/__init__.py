"""Training: the step, the loop around it, the state that it changes and the minibatches that it sees."""

from ganexp.trainer.batches import Batches, Minibatch
from ganexp.trainer.loop import Hooks, train
from ganexp.trainer.state import TrainState
from ganexp.trainer.step import Game

__all__ = ["Batches", "Game", "Hooks", "Minibatch", "TrainState", "train"]
