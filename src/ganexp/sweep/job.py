"""One job of a sweep, in the process that a launcher gave it to: one trajectory, and all runs that it makes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganexp.types.endings import State, ending
from ganexp.types.errors import ConfigError, LeaseLost, in_words
from ganexp.types.terminal import plain

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ganexp.config.run_spec import RunSpec

log = logging.getLogger("ganexp")


def run_job(spec: RunSpec, cfg: DictConfig, hydra: Any) -> float | None:
    """Train a trajectory of a sweep; what goes wrong becomes the state of its runs and never an exception.

    Args:
        spec: the longest run of the trajectory.
        cfg: its configuration, composed.
        hydra: Hydra's own node of the configuration.

    Raises:
        ConfigError: the configuration, the data or own code changed since the sweep was planned.
        SystemExit: 128 + n where signal n told this process to stop.
    """
    from ganexp.trainer.run import execute
    from ganexp.trainer.signals import REQUEUEING

    _check_planned(spec)
    spec = replace(spec, judge=_judge(cfg, hydra))
    try:
        outcome = execute(spec)
    except LeaseLost as error:
        log.warning("%s", error)
        return None
    except Exception as error:
        end = ending(error)
        log.error("%s failed: %s: %s", spec.directory, type(error).__name__, plain(in_words(error)))
        _spread(spec, State.FAILED, end.reason)
        return None
    if outcome.state is State.INTERRUPTED and outcome.signal is not None:
        if outcome.signal in REQUEUEING:
            os.kill(os.getpid(), outcome.signal)  # to the engine's own handler, now that the run is saved
        raise SystemExit(128 + outcome.signal)
    if outcome.state in (State.FAILED, State.DIVERGED):
        _spread(spec, outcome.state, {"type": outcome.state.title(), "message": outcome.message})
    return outcome.objective


def _check_planned(spec: RunSpec) -> None:
    """Refuse a job that is not what the sweep planned."""
    from ganexp.config.own_code import check_planned, own_code

    planned = spec.config.sweep.run_id
    if planned not in (None, spec.identity.run_id):
        raise ConfigError(
            f"the configuration or the data changed since the sweep was planned: expected run {planned}, got "
            f"{spec.identity.run_id}; the same command again makes a new plan"
        )
    check_planned(spec.config.sweep.own_code, own_code(spec.config), spec.config.changed_code)


def _judge(cfg: DictConfig, hydra: Any) -> Callable[[int, float], bool] | None:
    """What decides whether a trial of a search is pruned; None for other runs, and where nothing prunes."""
    if cfg.sweep.trial is None or len(hydra.sweeper.get("objectives") or [""]) > 1:
        return None
    from ganexp.sweep.search.address import address_of, make_pruner
    from ganexp.sweep.search.judge import Judge

    address = address_of(hydra.sweeper, Path(str(hydra.sweep.dir)))
    return Judge(address, int(cfg.sweep.trial), make_pruner(hydra.sweeper.pruner))


def _spread(spec: RunSpec, state: State, error: dict[str, str] | None) -> None:
    """Give the runs of a trajectory that were not reached the state that it ended in."""
    from ganexp.trainer.trajectory import shorter

    for run in (*(shorter(spec, epochs) for epochs in spec.config.sweep.read_off), spec):
        run.folder.write_ending(run.status(state, error=error), run.texts, run.identity.content)
