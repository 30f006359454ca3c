"""The study of a search: where it is stored, how it is opened, and how a worker reports to a trial of it.

Does not import torch.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ganexp.files import owned, plan
from ganexp.files.foreign import refuse_links
from ganexp.files.run_folder import RunFolder
from ganexp.sweep.search.optuna_private import stored, trial_numbered
from ganexp.sweep.search.trials import LAUNCHERS, RUN_DIR, SEEDS
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError

log = logging.getLogger("ganexp")

Direction = Literal["minimize", "maximize"]  # in Optuna's spelling
FILE = "study.db"  # the default storage: an SQLite file in the sweep directory
DIRECTORY = "sweep_dir"  # user attribute of a study: the sweep directory whose runs are its trials
SQLITE_WAIT_SECONDS = 60.0  # longest wait for another process that writes to an SQLite file
MEASURED = (TrialState.COMPLETE, TrialState.PRUNED)  # a trial of these has a run with scores
CONNECTIONS, CONNECT_AGAIN_SECONDS = 5, 0.5  # tries to create a database's tables, and the pause between them


@dataclass(frozen=True)
class Address:
    """Where a study is kept."""

    name: str  # of the study
    url: str  # of its storage, as SQLAlchemy takes it
    own: bool = False  # whether it is the sweep directory's own file, which moves with it

    @property
    def file(self) -> Path:
        """The sweep directory's own file, in whose path ?, % and {} have no special meaning as they have in a URL."""
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def shown(self) -> str:
        """The URL without its password; for the sweep directory's own file its name."""
        return FILE if self.own else hidden(self.url)


def address_of(sweeper: Any, directory: Path) -> Address:
    """The study of a sweep: as named, or the one that fills its directory, which may have been renamed or copied.

    Raises:
        ConfigError: a storage that is no URL.
    """
    url = sweeper.storage
    own = url is None
    if own:
        url = f"sqlite:///{directory.resolve() / FILE}"
    if not isinstance(url, str) or "://" not in url:
        raise ConfigError(
            "hydra.sweeper.storage: expected an SQL URL such as sqlite:///study.db or "
            f"postgresql://user@host/studies, or null ({FILE} in the sweep directory), got {url!r}"
        )
    name = sweeper.study_name
    if name is None:
        recorded = plan.read(directory)
        name = recorded.study if recorded is not None else None
    return Address(str(name or directory.resolve().name), url, own)


def hidden(url: str) -> str:
    """A URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url.partition("://")[0] + "://..."


def trials_there(address: Address) -> list[FrozenTrial]:
    """The trials that a study has, for a look that writes nothing; none where there is no study."""
    file = address.file if address.own else Path(make_url(address.url).database or "")
    if address.url.startswith("sqlite") and not file.exists():
        return []
    with suppress(KeyError, ConfigError, ArgumentError):
        storage = open_storage(address, looking=True)
        return storage.get_all_trials(storage.get_study_id_from_name(address.name), deepcopy=False)
    return []


def open_storage(address: Address, *, looking: bool = False) -> BaseStorage:
    """Connect to the storage of a study; missing tables are created, unless one is only `looking`.

    Raises:
        ConfigError: no database that Optuna can use answers there.
    """
    if address.own:
        refuse_links(*(address.file.with_name(FILE + end) for end in ("", "-journal", "-wal", "-shm")))
        if not looking:
            with suppress(OSError):
                address.file.touch()  # with the mode that the umask gives; SQLite's own leaves the group out
    sqlite = address.url.startswith("sqlite")
    engine: dict[str, Any] = {"connect_args": {"timeout": SQLITE_WAIT_SECONDS}} if sqlite else {"pool_pre_ping": True}
    url = address.url
    if address.own:
        url = f"sqlite:///{FILE}"
        engine = {"creator": partial(sqlite3.connect, address.file, SQLITE_WAIT_SECONDS, check_same_thread=False)}
    try:
        making = partial(optuna.storages.RDBStorage, url, engine_kwargs=engine, skip_table_creation=looking)
        return _first_of_several(making)
    except Exception as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise ConfigError(
            f"hydra.sweeper.storage: expected a database that answers, got {address.shown}: "
            f"{type(error).__name__}: {reason.replace(address.url, address.shown)}"
        ) from None


def _first_of_several(connect: Callable[[], BaseStorage]) -> BaseStorage:
    """Connect again where another launcher is creating the tables of an empty database at the same moment."""
    for _ in range(CONNECTIONS - 1):
        try:
            return connect()
        except Exception as error:
            if "already exists" not in str(error):
                raise
        time.sleep(CONNECT_AGAIN_SECONDS)
    return connect()


def begin_study(
    address: Address,
    directory: Path,
    multirun: str,
    directions: Sequence[Direction],
    make_sampler: Callable[[int], BaseSampler],
    pruner: BasePruner,
) -> Study:
    """Open the study; its sweep directory is created once the storage answers, or first where it holds the storage.

    `multirun` is the text for multirun.yaml; `make_sampler` takes the number of trials that the study has.
    """
    claim = partial(owned.claim, directory, ("trials.json", *([FILE] if address.own else [])), multirun)
    if address.own:
        claim()
    storage = open_storage(address)
    claim()
    trials = {summary.study_name: summary.n_trials for summary in optuna.get_all_study_summaries(storage)}
    return open_study(address, storage, directory, directions, make_sampler(trials.get(address.name, 0)), pruner)


def open_study(
    address: Address,
    storage: BaseStorage,
    directory: Path,
    directions: Sequence[Direction],
    sampler: BaseSampler,
    pruner: BasePruner,
) -> Study:
    """The study, created where there is none.

    Raises:
        ConfigError: it has other directions, or is filled by another sweep directory.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage,
        study_name=address.name,
        directions=directions,
        sampler=sampler,
        pruner=pruner,
        load_if_exists=True,
    )
    begun = [direction.name.lower() for direction in study.directions]
    if begun != list(directions):
        was, now = (" and ".join(each) for each in (begun, directions))
        where = f"hydra.sweeper.study_name: the study {address.name!r} in {address.shown}"
        raise ConfigError(f"{where} was begun to {was}; expected the same, got {now}; choose another name")
    if not address.own:
        _check_place(study, address, directory)
    study.set_user_attr(DIRECTORY, str(directory.resolve()))
    return study


def _check_place(study: Study, address: Address, directory: Path) -> None:
    """Refuse a study whose runs are elsewhere.

    A directory that was renamed or copied holds the runs of its measured trials (one that has just begun has no run's
    directory yet), and nobody works in its former place.
    """
    here = str(directory.resolve())
    place = str(study.user_attrs.get(DIRECTORY, here))
    trials = [trial for trial in study.get_trials(deepcopy=False) if RUN_DIR in trial.user_attrs]
    held = [(directory / Path(str(trial.user_attrs[RUN_DIR])).name).is_dir() for trial in trials]
    finished = [found for trial, found in zip(trials, held, strict=True) if trial.state in MEASURED]
    launchers = (RunFolder(folder).current() for folder in Path(place).glob(f"{LAUNCHERS}/*"))
    at_work = any(status is not None and status.state is State.RUNNING for status in launchers)
    elsewhere = place != here and (at_work or not any(held) or not all(finished))
    if elsewhere or (finished and not any(finished)):
        raise ConfigError(
            f"hydra.sweeper.study_name: the study {address.name!r} in {address.shown} is filled by {place}; expected "
            f"that as hydra.sweep.dir, or a directory that holds its runs, got {here}; choose another name"
        )


class Judge:
    """Reports each scored epoch of a run to its trial. A storage that does not answer does not end the run."""

    def __init__(self, address: Address, number: int, pruner: BasePruner) -> None:
        self.address, self.number, self.pruner = address, number, pruner
        self._trial: Trial | None = None

    def __call__(self, epoch: int, value: float) -> bool:
        """Report the objective (averaged seeds: its logarithm) on reference half A; return whether to prune the run."""
        try:
            trial = self._trial or self._open()
            recorded = stored(trial)
            if epoch not in recorded.intermediate_values:
                trial.report(math.log(value) if SEEDS in recorded.user_attrs else value, epoch)
            return trial.should_prune()
        except Exception as error:
            log.warning("trial %d: epoch %d is not reported: %s: %s", self.number, epoch, type(error).__name__, error)
            return False

    def _open(self) -> Trial:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.load_study(
            study_name=self.address.name,
            storage=open_storage(self.address),
            sampler=optuna.samplers.RandomSampler(),
            pruner=self.pruner,
        )
        self._trial = trial_numbered(study, self.number)
        return self._trial
