"""What Hydra runs: one run of a single command, or one trajectory of a sweep."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from ganexp.cli import reporting
from ganexp.config.mistakes import check_hydra
from ganexp.types.errors import ConfigError, DirectoryError, LeaseLost, Refused, in_words, lack_of_memory
from ganexp.types.streams import keep_working
from ganexp.types.terminal import plain

if TYPE_CHECKING:
    from ganexp.config.run_spec import RunSpec
    from ganexp.files.state import State

log = logging.getLogger("ganexp")


def run_dir(root: DictConfig) -> str:
    """`hydra.run.dir`: outputs/<dataset>-<model>-<loss>-<run_id[:8]>, the same for the same configuration."""
    from ganexp.config.run_config import load
    from ganexp.config.run_spec import identify
    from ganexp.trainer.compatible import check_together

    config = load(root)
    identity = identify(config)
    check_together(config)
    return str(Path("outputs") / identity.name)


def task(cfg: DictConfig) -> float | None:
    """One job: returns `metrics.objective`'s final value (reference half A), or None.

    Raises:
        Refused: what is refused before work; a sweep writes it down as the failure of the job's runs.
        SystemExit: in a single run, 1 where it failed or diverged, 128 + n where signal n interrupted it.
    """
    keep_working()  # a launcher's process may have begun elsewhere
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        with reporting():  # Hydra would print all overrides before what is refused
            return run_single(_single_spec(cfg, hydra))
    from ganexp.config.own_code import check_planned, own_code

    spec = make_spec(cfg, hydra)
    planned = spec.config.sweep.run_id
    if planned not in (None, spec.identity.run_id):
        raise ConfigError(
            f"the configuration or the data changed since the sweep was planned: expected run {planned}, got "
            f"{spec.identity.run_id}; the same command again makes a new plan"
        )
    check_planned(spec.config.sweep.own_code, own_code(spec.config), spec.config.changed_code)
    return run_in_sweep(spec)


def _single_spec(cfg: DictConfig, hydra: Any) -> RunSpec:
    try:
        check_hydra(hydra)
        return make_spec(cfg, hydra)
    except Refused:
        _drop_if_empty(Path(hydra.runtime.output_dir))
        raise


def make_spec(cfg: DictConfig, hydra: Any) -> RunSpec:
    """The RunSpec of a composed configuration."""
    from ganexp.config.run_config import load
    from ganexp.config.run_spec import RunSpec, identify, load_dataset
    from ganexp.files.run_folder import Texts

    config = load(cfg)
    identity = identify(config)
    in_sweep = hydra.mode == RunMode.MULTIRUN
    runtime: Any = OmegaConf.to_container(hydra.runtime, resolve=False)  # paths are no interpolations
    directory = Path(runtime["output_dir"])
    hydra_text = OmegaConf.to_yaml(OmegaConf.create({"hydra": OmegaConf.to_container(hydra, resolve=False)}))
    texts = Texts(OmegaConf.to_yaml(cfg), OmegaConf.to_yaml(hydra.overrides.task), hydra_text)
    run = directory / identity.name if in_sweep else directory
    return RunSpec(config, load_dataset(config.dataset), identity, run, texts, in_sweep, _judge(cfg, hydra))


def _judge(cfg: DictConfig, hydra: Any) -> Callable[[int, float], bool] | None:
    """Who decides whether a trial of a search is pruned; None for other runs, and where nothing prunes."""
    if hydra.mode != RunMode.MULTIRUN or cfg.sweep.trial is None or len(hydra.sweeper.get("objectives") or [""]) > 1:
        return None
    from ganexp.sweep.search.address import address_of, make_pruner
    from ganexp.sweep.search.judge import Judge

    address = address_of(hydra.sweeper, Path(str(hydra.sweep.dir)))
    return Judge(address, int(cfg.sweep.trial), make_pruner(hydra.sweeper.pruner))


def run_single(spec: RunSpec) -> float | None:
    """Work on a single run and tell how it ended."""
    from ganexp.files.state import State
    from ganexp.trainer.run import execute

    try:
        outcome = execute(spec)
    except Exception as error:
        _failed(spec, error)
    print(plain(f"{outcome.state}: {spec.directory}: {outcome.message}"), flush=True)
    if outcome.state is State.INTERRUPTED:
        raise SystemExit(128 + (outcome.signal or signal.SIGINT))
    if outcome.state is not State.COMPLETED:
        raise SystemExit(1)
    return outcome.objective


def run_in_sweep(spec: RunSpec) -> float | None:
    """Work on one trajectory of a sweep; what goes wrong becomes the state of its runs and never an exception.

    Raises:
        SystemExit: 128 + n where signal n told this process to stop.
    """
    from ganexp.files.state import State
    from ganexp.trainer.hooks import REQUEUEING
    from ganexp.trainer.run import execute

    try:
        outcome = execute(spec)
    except LeaseLost as error:
        log.warning("%s", error)
        return None
    except Exception as error:
        log.error("%s failed: %s: %s", spec.directory, type(error).__name__, plain(in_words(error)))
        _spread(spec, State.FAILED, {"type": type(error).__name__, "message": in_words(error)})
        return None
    if outcome.state is State.INTERRUPTED and outcome.signal is not None:
        if outcome.signal in REQUEUEING:
            os.kill(os.getpid(), outcome.signal)  # to the engine's own handler, now that the run is saved
        raise SystemExit(128 + outcome.signal)
    if outcome.state in (State.FAILED, State.DIVERGED):
        _spread(spec, outcome.state, {"type": outcome.state.title(), "message": outcome.message})
    return outcome.objective


def _spread(spec: RunSpec, ended: State, error: dict[str, str]) -> None:
    """Give the runs of a trajectory that were not reached the state that it ended in."""
    from ganexp.config.run_spec import shorter
    from ganexp.files import state
    from ganexp.files.state import Lease, Status

    for each in (*(shorter(spec, epochs) for epochs in spec.config.sweep.read_off), spec):
        if each.directory.is_symlink():
            continue
        each.directory.mkdir(parents=True, exist_ok=True)
        there = state.read(each.directory)
        if there is not None and there.state.final:
            continue
        epoch = there.epoch if there is not None else 0
        try:
            with Lease(each.directory) as lease:
                from ganexp.files.run_folder import write_record

                epochs = each.config.trainer.epochs
                lease.begin(
                    Status(ended, epoch, epochs, each.identity.run_id, each.identity.trajectory_id, error=error)
                )
                write_record(each.directory, each.texts, each.identity.content)
        except (state.HeldError, DirectoryError):
            continue


def _drop_if_empty(directory: Path) -> None:
    """Remove the directory that Hydra made for a run that is refused."""
    with contextlib.suppress(OSError):
        directory.rmdir()


def _failed(spec: RunSpec, error: Exception) -> NoReturn:
    if isinstance(error, Refused):
        _drop_if_empty(spec.directory)
        raise error
    if isinstance(error, LeaseLost):
        print(f"stopped: {error}", flush=True)
    elif (lacking := lack_of_memory(error)) is not None:
        print(f"FAILED: {spec.directory}: {lacking}", flush=True)
    else:
        if not isinstance(error, OSError):  # a full disk is no mistake of the program's
            sys.stderr.write(plain("".join(traceback.format_exception(error))))
        print(plain(f"FAILED: {spec.directory}: {type(error).__name__}: {in_words(error)}"), flush=True)
    raise SystemExit(1)
