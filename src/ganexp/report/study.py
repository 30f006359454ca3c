"""The study that a report is about: sweep directories, the confirmations in them, and earlier looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ganexp.files import plan
from ganexp.files.contents import OneLook
from ganexp.report.looks import read_looks
from ganexp.report.runs import RunRecord, Sweep, read_sweep
from ganexp.report.settings import telling_keys, text_of
from ganexp.types.endings import State

CONFIRM = "confirm"  # folder of a sweep directory in which its winners are trained again, on other seeds


@dataclass(frozen=True)
class Study:
    """Everything one report is about."""

    sweeps: tuple[Sweep, ...]
    keys: tuple[str, ...]  # keys that differ between settings
    runs: tuple[RunRecord, ...]  # of all sweeps, each run once
    confirmed: tuple[RunRecord, ...]  # the winners' runs on other seeds
    looks: tuple[OneLook, ...] = ()  # earlier looks at these sweeps, in the order of time
    table: str = ""  # name of the table that the runs were read from; "" where they are ganexp's own

    @property
    def searched(self) -> bool:
        """Whether a search chose its points: more seeds in its space would select the luckiest one."""
        return any(sweep.search for sweep in self.sweeps)


def read_study(directories: Sequence[Path]) -> Study:
    """Read sweep directories, and the confirmations in them; DirectoryError: see the package."""
    sweeps = [read_sweep(directory) for directory in dict.fromkeys(directories)]
    folders = [sweep.directory / CONFIRM for sweep in sweeps]
    again = [read_sweep(folder) for folder in folders if (folder / plan.FILE).exists() and not folder.is_symlink()]
    keys = telling_keys(sweeps)
    sweeps, again = ([_with_settings(sweep, keys) for sweep in each] for each in (sweeps, again))
    return Study(tuple(sweeps), tuple(keys), _once(sweeps), _once(again), read_looks(directories))


def _with_settings(sweep: Sweep, keys: Sequence[str]) -> Sweep:
    def setting(run: RunRecord) -> tuple[tuple[str, str], ...]:
        return tuple((key, text_of(run.values.get(key))) for key in keys)

    return replace(sweep, runs=tuple(replace(run, setting=setting(run)) for run in sweep.runs))


def _once(sweeps: Iterable[Sweep]) -> tuple[RunRecord, ...]:
    """Each run once: where several sweeps hold it, a completed one, else the first."""
    runs: dict[str, RunRecord] = {}
    for run in (run for sweep in sweeps for run in sweep.runs):
        other = runs.get(run.run_id)
        if other is None or (run.state is State.COMPLETED and other.state is not State.COMPLETED):
            runs[run.run_id] = run
    return tuple(runs.values())
