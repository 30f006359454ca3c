"""ganexp's own training loop, as a run calls it, without scoring and without files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from ganexp.__main__ import register
from ganexp.config.run_config import conf_dir, load
from ganexp.config.run_spec import RunSpec, identify, load_dataset
from ganexp.files.record import Row, Texts
from ganexp.trainer.build import build_batches, build_game, build_state
from ganexp.trainer.loop import Limits, train
from ganexp.types.errors import Interrupted


class Until:
    """The loop's hooks: stop when time is up."""

    end = 0.0

    def interrupted(self) -> bool:
        """Whether time is up."""
        return time.perf_counter() >= self.end

    def stepped(self, step: int) -> None:
        """Nothing."""

    def epoch_done(self, row: Row) -> None:
        """Nothing."""


def make_spec(*overrides: str) -> RunSpec:
    """A run as a command line composes it, in a sweep."""
    if not GlobalHydra.instance().is_initialized():
        register()
        initialize_config_dir(str(conf_dir())).__enter__()
    config = load(compose("config", [*overrides]))
    return RunSpec(config, load_dataset(config.dataset), identify(config), Path(), Texts("", "", ""), in_sweep=True)


def prepare(batch: int, root: str, precision: str, *overrides: str) -> Callable[[float], float]:
    """A function seconds -> images/s that trains for about so long."""
    os.environ["GANEXP_DATA"] = root
    texts = ["dataset=mnist", f"trainer.batch_size={batch}", f"trainer.precision={precision}", "metrics=none"]
    spec = make_spec(*texts, *overrides)
    state, batches, game = build_state(spec), build_batches(spec), build_game(spec)
    hooks = Until()

    def run(seconds: float) -> float:
        before, started = batches.images_seen(state.step), time.perf_counter()
        hooks.end = started + seconds
        with suppress(Interrupted):
            train(state, batches, game, Limits(epochs=1000), spec.config.seed, hooks)
        return (batches.images_seen(state.step) - before) / (time.perf_counter() - started)

    return run
