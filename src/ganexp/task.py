"""What Hydra runs: one run of a single command, or one trajectory of a sweep."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from ganexp.job import Job

log = logging.getLogger("ganexp")


def run_dir(root: DictConfig) -> str:
    """`hydra.run.dir`: outputs/<dataset>-<model>-<loss>-<run_id[:8]>, the same for the same configuration."""
    from ganexp.config import load
    from ganexp.job import identify

    return str(Path("outputs") / identify(load(root)).name)


def task(cfg: DictConfig) -> float | None:
    """One job: returns `metrics.objective`'s final value (reference half A), or None.

    Raises:
        Refused: in a single run, what is refused before work.
        SystemExit: in a single run, 1 where it failed or diverged, 128 + n where signal n interrupted it.
    """
    hydra = HydraConfig.get()
    job = make_job(cfg, hydra)
    if job.in_sweep:
        from ganexp.sweep.job import run_trajectory

        return run_trajectory(job)
    return run_single(job)


def make_job(cfg: DictConfig, hydra: Any) -> Job:
    """The typed job of a composed configuration."""
    from ganexp.config import load
    from ganexp.job import Job, Texts, identify, load_dataset

    config = load(cfg)
    who = identify(config)
    in_sweep = hydra.mode == RunMode.MULTIRUN
    directory = Path(hydra.runtime.output_dir)
    hydra_text = OmegaConf.to_yaml(OmegaConf.create({"hydra": OmegaConf.to_container(hydra, resolve=False)}))
    texts = Texts(OmegaConf.to_yaml(cfg), OmegaConf.to_yaml(hydra.overrides.task), hydra_text)
    return Job(config, load_dataset(config.dataset), who, directory / who.name if in_sweep else directory, texts, in_sweep)


def run_single(job: Job) -> float | None:
    """Work on a single run and tell how it ended."""
    from ganexp.run import execute
    from ganexp.state import State

    try:
        outcome = execute(job)
    except Exception as error:
        return _failed(job, error)
    print(f"{outcome.state}: {job.directory}: {outcome.message}", flush=True)
    if outcome.state is State.INTERRUPTED:
        raise SystemExit(128 + (outcome.signal or 2))
    if outcome.state is not State.COMPLETED:
        raise SystemExit(1)
    return outcome.objective


def _failed(job: Job, error: Exception) -> None:
    from ganexp.errors import LeaseLost, Refused

    if isinstance(error, Refused):
        raise error
    if isinstance(error, LeaseLost):
        print(f"stopped: {error}", flush=True)
    else:
        traceback.print_exception(error)
        print(f"FAILED: {job.directory}: {type(error).__name__}: {error}", flush=True)
    raise SystemExit(1)
