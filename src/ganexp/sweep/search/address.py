"""Where a study is kept, and how it is opened. Does not import torch."""

from __future__ import annotations

import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganexp.files.foreign import refuse_links
from ganexp.sweep.search.optuna_private import guarded
from ganexp.types.errors import ConfigError

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.study import Study

Direction = Literal["minimize", "maximize"]
"""Of an objective, in Optuna's spelling."""

FILE = "study.db"
"""The default storage: an SQLite file in the sweep directory."""

DIRECTORY = "sweep_dir"
"""User attribute of a study: the sweep directory whose runs are its trials."""

SQLITE_WAIT_SECONDS = 60.0
"""How long a process waits while another one writes to an SQLite file."""

CONNECTIONS = 5
"""How often a launcher tries to make the tables of a database in which others are making them."""

CONNECT_AGAIN_SECONDS = 0.5
"""Between two of these."""


@dataclass(frozen=True)
class Address:
    """Where a study is kept.

    Attributes:
        name: of the study.
        url: of its storage, as SQLAlchemy takes it.
        own: whether it is the sweep directory's own file, which moves with it.
    """

    name: str
    url: str
    own: bool = False

    @property
    def file(self) -> Path:
        """The sweep directory's own file, in whose path ?, %, {} have no meaning as they have in an URL."""
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def shown(self) -> str:
        """The URL without its password; of the sweep directory's own file its name."""
        return FILE if self.own else hidden(self.url)


def address_of(sweeper: Any, directory: Path) -> Address:
    """The study of a sweep.

    Args:
        sweeper: the node `hydra.sweeper`.
        directory: of the sweep.

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
    return Address(str(sweeper.study_name or directory.resolve().name), url, own)


def hidden(url: str) -> str:
    """A URL without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url.partition("://")[0] + "://..."


def open_storage(address: Address) -> BaseStorage:
    """Connect to the storage of a study; its tables are made where there are none.

    Raises:
        ConfigError: nothing answers there, or not as a database that Optuna can use.
    """
    from optuna.storages import RDBStorage

    if address.own:
        refuse_links(*(address.file.with_name(FILE + end) for end in ("", "-journal", "-wal", "-shm")))
        with suppress(OSError):
            address.file.touch()  # with the mode that the umask gives; SQLite's own leaves the group out
    sqlite = address.url.startswith("sqlite")
    engine: dict[str, Any] = {"connect_args": {"timeout": SQLITE_WAIT_SECONDS}} if sqlite else {"pool_pre_ping": True}
    url = address.url
    if address.own:
        url = f"sqlite:///{FILE}"
        engine = {"creator": partial(sqlite3.connect, address.file, SQLITE_WAIT_SECONDS, check_same_thread=False)}
    try:
        return _first_of_several(lambda: RDBStorage(url, engine_kwargs=engine))
    except Exception as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise ConfigError(
            f"hydra.sweeper.storage: expected a database that answers, got {address.shown}: "
            f"{type(error).__name__}: {reason.replace(address.url, address.shown)}"
        ) from None


def _first_of_several(connect: Callable[[], BaseStorage]) -> BaseStorage:
    """Connect again where another launcher has made the tables of an empty database in the same moment."""
    for _ in range(CONNECTIONS - 1):
        try:
            return connect()
        except Exception as error:
            if "already exists" not in str(error):
                raise
        time.sleep(CONNECT_AGAIN_SECONDS)
    return connect()


def open_study(
    address: Address,
    storage: BaseStorage,
    directory: Path,
    directions: Sequence[Direction],
    sampler: BaseSampler,
    pruner: BasePruner,
) -> Study:
    """The study, made where there is none.

    Raises:
        ConfigError: it is there, with other directions, or filled by another sweep directory.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage,
        study_name=address.name,
        directions=directions,
        sampler=sampler,
        pruner=pruner,
        load_if_exists=True,
    )
    there = [direction.name.lower() for direction in study.directions]
    if there != list(directions):
        raise ConfigError(
            f"hydra.sweeper.study_name: the study {address.name!r} in {address.shown} was begun to "
            f"{' and '.join(there)}; expected the same, got {' and '.join(directions)}; choose another name"
        )
    place = str(directory.resolve())
    if not address.own and study.user_attrs.setdefault(DIRECTORY, place) != place:
        raise ConfigError(
            f"hydra.sweeper.study_name: the study {address.name!r} in {address.shown} is filled by "
            f"{study.user_attrs[DIRECTORY]}; expected that as hydra.sweep.dir, got {place}; choose another name"
        )
    study.set_user_attr(DIRECTORY, place)
    return study


def make_sampler(node: Any, trials: int) -> Any:
    """The sampler that a configuration describes, or a partial of the grid sampler, which needs the space first.

    Args:
        node: `hydra.sweeper.sampler`.
        trials: how many trials the study has. A sampler that starts from a fixed seed again would propose the points
            that it began with once more, so where there are trials its seed is taken further. (Not that of a
            quasi-random sequence, which keeps its place in the storage.)
    """
    from hydra.utils import instantiate

    from ganexp.types.rng import derive

    seed = node.get("seed")
    quasi = str(node.get("_target_")).endswith("QMCSampler")
    kept = seed is None or trials == 0 or quasi
    own: dict[str, Any] = {} if kept else {"seed": derive(int(seed), "sampler", trials) % 2**32}
    with _quietly(), _refusing("hydra.sweeper.sampler"):
        sampler = instantiate(
            node, **own, _execution_whitelist_=("hydra_plugins.hydra_optuna_sweeper.*", "optuna.samplers.*")
        )
    return guarded(sampler)


def make_pruner(node: Any) -> BasePruner:
    """The pruner that a configuration describes (`hydra.sweeper.pruner`).

    Raises:
        ConfigError: it is no pruner of Optuna's, or its settings are none that it takes.
    """
    from hydra.utils import instantiate

    factor = node.get("reduction_factor", 2)  # Hyperband would look at it only when it prunes
    if not isinstance(factor, int) or factor < 2:
        raise ConfigError(f"hydra.sweeper.pruner.reduction_factor: expected at least 2, got {factor}")
    with _quietly(), _refusing("hydra.sweeper.pruner"):
        pruner: BasePruner = instantiate(node, _execution_whitelist_=("optuna.pruners.*",))
    return pruner


@contextmanager
def _refusing(key: str) -> Iterator[None]:
    """Inside, what Hydra or Optuna says of a node becomes a refusal that names it."""
    from hydra.errors import HydraException

    try:
        yield
    except (HydraException, TypeError, ValueError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise ConfigError(f"{key}: expected settings that Optuna takes, got: {reason}") from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Inside, Optuna does not warn that a sampler or pruner which the user chose is experimental."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
