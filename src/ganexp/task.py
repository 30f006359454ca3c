"""What Hydra runs: a single run, or one job of a sweep."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from ganexp.cli import reporting
from ganexp.config.hydra_keys import check_hydra
from ganexp.types.doing import doing
from ganexp.types.endings import FAILED, ending
from ganexp.types.errors import ConfigError, Refused, in_words, lack_of_memory
from ganexp.types.terminal import keep_working, plain

if TYPE_CHECKING:
    from ganexp.config.run_config import RunConfig
    from ganexp.config.run_spec import RunSpec


def run_dir(root: DictConfig) -> str:
    """`hydra.run.dir`: outputs/<dataset>-<model>-<loss>-<run_id[:8]>, the same for the same configuration."""
    from ganexp.config.run_config import load
    from ganexp.config.run_spec import identify
    from ganexp.trainer.compatible import check_together

    if "dataset" not in root:  # `--cfg hydra` shows Hydra's node alone
        root = compose("config", list(root.hydra.overrides.task))
    _check_no_sweep(root.sweep)
    config = load(root)
    with starting(config):
        identity = identify(config)
    check_together(config)
    return str(Path("outputs") / identity.name)


@contextmanager
def starting(config: RunConfig) -> Iterator[None]:
    """Inside, data are read and torch is imported: said once in a process."""
    words = f"{config.dataset.name}, {config.model.name}, {config.loss.name}: starting"
    with nullcontext() if _STARTED else doing(words):
        _STARTED.append(True)
        yield


_STARTED: list[bool] = []


def task(cfg: DictConfig) -> float | None:
    """One job: returns `metrics.objective`'s final value (reference half A), or None.

    Raises:
        Refused: before any work; a sweep records it as the failure of the job's runs.
        SystemExit: in a single run, 1 where it failed or diverged, 128 + n where signal n interrupted it.
    """
    keep_working()  # a launcher's process may have begun elsewhere
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        with reporting():  # Hydra would print all overrides before what is refused
            return run_single(single_spec(cfg, hydra))
    from ganexp.sweep.jobs import run_job

    return run_job(make_spec(cfg, hydra), cfg, hydra)


def single_spec(cfg: DictConfig, hydra: Any) -> RunSpec:
    """`make_spec` for a single run; where it is refused, the folder that Hydra made for it is removed."""
    try:
        check_hydra(hydra)
        _check_no_sweep(cfg.sweep)
        return make_spec(cfg, hydra)
    except Refused:
        _drop_if_empty(Path(hydra.runtime.output_dir))
        raise


def _check_no_sweep(options: Any) -> None:
    """Refuse what only a sweep heeds: `sweep.dry_run=true` would train."""
    from ganexp.config.schema import SweepConfig

    usual = SweepConfig()
    for key in ("dry_run", "zip", "skip_refused", "max_seconds", "stop_on_failure", "until", "max_runs"):
        if (value := options[key]) != getattr(usual, key):
            raise ConfigError(f"sweep.{key}: expected --multirun beside it, got {value} in a command of one run")


def make_spec(cfg: DictConfig, hydra: Any) -> RunSpec:
    """The RunSpec of a composed configuration."""
    from ganexp.config.run_config import load
    from ganexp.config.run_spec import RunSpec, identify, load_dataset
    from ganexp.files.record import Texts

    config = load(cfg)
    in_sweep = hydra.mode == RunMode.MULTIRUN
    with nullcontext() if in_sweep else starting(config):
        identity = identify(config)
    runtime: Any = OmegaConf.to_container(hydra.runtime, resolve=False)  # paths are no interpolations
    directory = Path(runtime["output_dir"])
    hydra_text = OmegaConf.to_yaml(OmegaConf.create({"hydra": OmegaConf.to_container(hydra, resolve=False)}))
    texts = Texts(OmegaConf.to_yaml(cfg), OmegaConf.to_yaml(hydra.overrides.task), hydra_text)
    run = directory / identity.name if in_sweep else directory
    return RunSpec(config, load_dataset(config.dataset), identity, run, texts, in_sweep)


def run_single(spec: RunSpec, worded: Callable[[str], str] = str) -> float | None:
    """Execute a single run and print how it ended, in the words of the command that it is run by.

    Raises:
        Refused: before any work.
        SystemExit: it did not complete.
    """
    from ganexp.trainer.run import execute

    try:
        outcome = execute(spec)
    except Refused:
        _drop_if_empty(spec.directory)
        raise
    except Exception as error:
        end = ending(error)
        if end.needs_traceback:
            sys.stderr.write(plain("".join(traceback.format_exception(error))))
        kind = "" if lack_of_memory(error) else f"{type(error).__name__}: "
        line = end.message if end.state is None else f"{end.state}: {spec.directory}: {kind}{in_words(error)}"
        print(plain(line), flush=True)
        raise SystemExit(FAILED) from None  # work had begun: never REFUSED
    print(plain(f"{outcome.state}: {spec.directory}: {worded(outcome.message)}"), flush=True)
    if outcome.exit_status:
        raise SystemExit(outcome.exit_status)
    return outcome.objective


@contextmanager
def without_empty_folders(arguments: Sequence[str]) -> Iterator[None]:
    """Inside, Hydra makes folders for a run or sweep; afterwards those above it that are empty are gone again."""
    texts = [text.partition("=")[2].strip("'\"") for text in arguments if re.match(r"hydra\.(run|sweep)\.dir=", text)]
    places = [Path(text).absolute() for text in ("outputs/run", "multirun/sweep", *texts)]
    missing = [folder for place in places for folder in (place, *place.parents) if not folder.exists()]
    try:
        yield
    finally:
        for folder in missing:
            _drop_if_empty(folder)


def _drop_if_empty(directory: Path) -> None:
    """Remove a folder that Hydra made for a run that is refused."""
    with suppress(OSError):
        directory.rmdir()
