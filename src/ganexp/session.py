"""`ganexp.train` and `ganexp.multirun`: the command line's own way, called from Python, which they leave as it was."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from ganexp.cli import refusal_of
from ganexp.config.hydra_private import fresh_hydra
from ganexp.files.source_files import forget_edited
from ganexp.opened import Run, Sweep
from ganexp.types.errors import ConfigError

_ONE_AT_A_TIME = threading.RLock()  # Hydra, sys.argv and the random generators belong to the whole process


def train(overrides: Sequence[str] = (), *, config_dir: str | Path | None = None) -> Run:
    """What `ganexp OVERRIDES` does: train one configuration, go on with it, or read it where it is finished.

    >>> import ganexp
    >>> run = ganexp.train(["dataset=mnist", "optim.lr=2e-4"])
    >>> run.result["final"]["cfd"], run.metrics.d_loss.iloc[-1]

    Args:
        overrides: as on the command line, one text each, without quotes for a shell.
        config_dir: a folder of your own options, as `--config-dir`.

    Returns:
        The run, also where it failed or diverged: `status` says so.

    Raises:
        Refused: before any work, in the command line's words.
        KeyboardInterrupt: Ctrl-C, once the run is saved; the same call goes on. SIGTERM and SIGHUP are passed on to the
            handlers that were there before.
    """
    from hydra.core.hydra_config import HydraConfig

    from ganexp.task import run_single, single_spec

    opened: list[Path] = []

    def task(cfg: Any) -> float | None:
        spec = replace(single_spec(cfg, HydraConfig.get()), called=True)
        opened.append(spec.directory.absolute())
        return run_single(spec)

    _call(task, overrides, config_dir, opened)
    return Run(opened[-1])


def multirun(overrides: Sequence[str] = (), *, config_dir: str | Path | None = None) -> Sweep:
    """What `ganexp --multirun OVERRIDES` does: make the runs of a grid or a search, or those of them that are missing.

    >>> import ganexp
    >>> sweep = ganexp.multirun(["optim.lr=1e-3,1e-4", "seed=0,1,2", "experiment=debug"])
    >>> sweep.summary.groupby("lr").cfd.mean()

    Runs are made by processes of their own, from which the calling script or notebook is not run again. Arguments,
    errors and signals are as those of `train`; failed runs are in `summary`.
    """
    from ganexp.sweep.directory import OPENED
    from ganexp.task import task

    _call(task, overrides, config_dir, OPENED, "--multirun")
    return Sweep(OPENED[-1])


def _call(
    task: Callable[[Any], Any], overrides: Sequence[str], config_dir: str | Path | None, opened: list[Path], *mode: str
) -> None:
    """Run Hydra's program with a command line; afterwards `opened` ends with the directory that it is about."""
    from ganexp.__main__ import program

    place = [] if config_dir is None else ["--config-dir", str(config_dir)]
    arguments = [*place, *mode, *_checked(overrides)]
    number, stop = len(opened), None
    forget_edited()
    with _ONE_AT_A_TIME, _everything_kept(["ganexp", *arguments]):
        try:
            program(task)()
        except SystemExit as error:
            stop = error
        except Exception as error:
            _refuse(error)
    if stop is not None and isinstance(stop.code, int) and stop.code > 128:
        signal.raise_signal(stop.code - 128)  # to the caller's handler: KeyboardInterrupt for Ctrl-C
    if len(opened) == number:
        raise stop.__context__ or stop if stop is not None else AssertionError("Hydra called nothing")


def _checked(overrides: Sequence[str]) -> list[str]:
    """The overrides, which may be no options of the command.

    Raises:
        ConfigError: naming the first that is none.
    """
    if isinstance(overrides, str):
        raise ConfigError(f"overrides: expected a list such as ['dataset=mnist', 'seed=1'], got the text {overrides!r}")
    for text in overrides:
        if not isinstance(text, str) or text.startswith("-") or text.lstrip("+").startswith("hydra.mode="):
            raise ConfigError(f"overrides: expected texts such as 'optim.lr=2e-4', got {text!r}")
    return list(overrides)


def _refuse(error: Exception) -> NoReturn:
    """Raise what the command line would say as a refusal, and any other error as it is."""
    refusal = refusal_of(error)
    if refusal is None or refusal is error:
        raise error
    raise refusal from None


@contextmanager
def _everything_kept(argv: list[str]) -> Iterator[None]:
    """Inside, the process looks like one that was started with `argv`; afterwards it is as it was.

    Kept are Hydra's state, logging, streams, signal handlers, the working directory, the random generators of Python,
    numpy and torch, and torch's threads and treatment of tiny numbers.
    """
    with ExitStack() as stack:
        for kept in (_torch_kept, fresh_hydra, _logging_kept, _handlers_kept):
            stack.enter_context(kept())
        stack.callback(os.chdir, Path.cwd())
        full = os.environ.get("HYDRA_FULL_ERROR")
        stack.callback(lambda: os.environ.update(HYDRA_FULL_ERROR=full) if full else os.environ.pop("HYDRA_FULL_ERROR"))
        names = ("argv", "stdout", "stderr")
        for name, value in [(name, getattr(sys, name)) for name in names]:
            stack.callback(setattr, sys, name, value)
        sys.argv, os.environ["HYDRA_FULL_ERROR"] = argv, "1"  # without it Hydra prints errors and exits
        stack.callback(lambda: (sys.stdout.flush(), sys.stderr.flush()))
        yield


@contextmanager
def _torch_kept() -> Iterator[None]:
    import numpy as np
    import torch

    python, numpy, threads = random.getstate(), np.random.get_state(), torch.get_num_threads()
    flushes = float(torch.tensor(2e-310, dtype=torch.float64) * 1.0) == 0.0
    used: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = list(range(torch.cuda.device_count())) if used else []
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushes)


@contextmanager
def _logging_kept() -> Iterator[None]:
    made, loggers = logging.getLogRecordFactory(), _loggers()
    before = {each: (each.level, each.propagate, each.disabled, list(each.handlers)) for each in loggers}
    try:
        yield
    finally:
        logging.setLogRecordFactory(made)
        for each in _loggers():
            level, each.propagate, each.disabled, each.handlers[:] = before.get(each, (0, True, False, []))
            each.setLevel(level)


def _loggers() -> list[logging.Logger]:
    others = logging.Logger.manager.loggerDict.values()
    return [logging.getLogger(), *(each for each in others if isinstance(each, logging.Logger))]


@contextmanager
def _handlers_kept() -> Iterator[None]:
    from ganexp.trainer.signals import stop_signals

    before = {number: signal.getsignal(number) for number in stop_signals()}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)
