"""What a user of a search sees on the terminal, and the files that tell of its trials."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.markup import escape
from rich.table import Table

from ganexp.atomic import write_text
from ganexp.report.summary import FILE, write_summary
from ganexp.state import State
from ganexp.sweep.plan import short
from ganexp.sweep.search import journal
from ganexp.sweep.search.address import Address
from ganexp.sweep.search.conduct import Search
from ganexp.sweep.search.space import Space
from ganexp.sweep.search.trials import REASON, RUN_DIR
from ganexp.sweep.show import FAILURES, TABLE_ROWS, refresh_report
from ganexp.terminal import console, count, duration, last_line, plain


def opening(
    directory: Path, address: Address, space: Space, options: Any, objectives: Sequence[str], directions: Sequence[str]
) -> None:
    """Before anything starts: what is searched for, where, and in which space."""
    sampler, pruner = (str(node.get("_target_")).rpartition(".")[2] for node in (options.sampler, options.pruner))
    goal = " and ".join(f"{direction} {name}" for name, direction in zip(objectives, directions, strict=True))
    screen = console()
    screen.print(
        f"{directory}: {goal}; {count(options.n_trials, 'trial')}, {sampler}, {pruner}; study {address.name} in "
        f"{address.shown}",
        markup=False,
    )
    for key, distribution in space.distributions.items():
        screen.print(f"  {key}: {distribution}", markup=False, soft_wrap=True)


def follow(search: Search, keys: Sequence[str]) -> None:
    """Have a line printed for each trial as it ends, and when others are waited for."""
    started, listed = time.monotonic(), journal.Journal(search)

    def told(trial: Trial, ended: State, words: str) -> None:
        number = trial.number
        setting = short(f"{key}={_shown(value)}" for key, value in trial.params.items() if key in keys)
        elapsed = duration(time.monotonic() - started)
        line = f"trial {number}: {setting}: {ended} {last_line(words)} ({elapsed} since the start)"
        console().print(plain(line), markup=False)
        listed.update()

    def waits(number: int) -> None:
        console().print(
            f"waiting for {count(number, 'trial')} that other processes are at work on", markup=False, soft_wrap=True
        )

    search.told, search.waits = told, waits


def closing(search: Search, space: Space, *, interrupted: bool, report: bool) -> bool:
    """Write the summary and the journal, and tell how the study stands.

    Returns:
        Whether it has a finished trial, and none that failed.
    """
    trials = search.trials.all()
    journal.write(search)
    screen = console()
    if any("run_dir" in trial.user_attrs for trial in trials):
        write_summary(search.directory)
    if len(trials) <= TABLE_ROWS:
        screen.print(_table(trials, search.objectives, space.keys))
    failed = [trial for trial in trials if trial.state is TrialState.FAIL]
    for trial in failed[:FAILURES]:
        screen.print(
            plain(f"trial {trial.number}: {last_line(str(trial.user_attrs.get(REASON)))}"), markup=False, soft_wrap=True
        )
    states = Counter(trial.state.name for trial in trials)
    screen.print(
        ", ".join(f"{number} {name}" for name, number in states.items()) + f"; {search.directory / FILE}", markup=False
    )
    _best(search, trials)
    if report and not interrupted:
        refresh_report(search.directory, changed=search.launched > 0)
    if interrupted:
        screen.print("stopped; the same command goes on", markup=False, soft_wrap=True)
    elif failed:
        screen.print("what failed is left as it is; sweep.retry=failed tries again", markup=False, soft_wrap=True)
    return not failed and states["COMPLETE"] > 0


def _shown(value: Any) -> str:
    """A parameter for the eye; the files have all of its digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _best(search: Search, trials: Sequence[FrozenTrial]) -> None:
    """Say which trial is best, or which ones are on the Pareto front; also in optimization_results.yaml."""
    screen, names = console(), search.objectives
    finished = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    if not finished:
        why = "every one of them failed" if all(t.state is TrialState.FAIL for t in trials) else "none is complete"
        screen.print(f"no trial to choose from: {why if trials else 'there are none'}", markup=False, soft_wrap=True)
        return
    best = search.trials.study.best_trials
    for trial in best:
        values = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, trial.values, strict=True))
        label = "best" if len(names) == 1 else "Pareto"
        line = f"{label}: trial {trial.number}: {values} (reference half A): {trial.user_attrs.get(RUN_DIR)}"
        screen.print(plain(line), markup=False)
        line = f"  {' '.join(f'{key}={value}' for key, value in trial.params.items())}"
        screen.print(plain(line), markup=False, soft_wrap=True)
    content: dict[str, Any] = {"name": "optuna"}
    if len(names) == 1:
        content |= {"best_params": best[0].params, "best_value": best[0].value}
    else:
        content |= {"solutions": [{"params": trial.params, "values": list(trial.values)} for trial in best]}
    write_text(search.directory / "optimization_results.yaml", OmegaConf.to_yaml(OmegaConf.create(content)))


def _table(trials: Sequence[FrozenTrial], objectives: Sequence[str], keys: Sequence[str]) -> Table:
    table = Table("trial", "setting", "state", *objectives)
    for trial in trials:
        setting = short(f"{key}={_shown(value)}" for key, value in trial.params.items() if key in keys)
        values = trial.values if trial.state is TrialState.COMPLETE else None
        cells = [f"{value:.4g}" for value in values] if values else [""] * len(objectives)
        table.add_row(str(trial.number), escape(plain(setting)), trial.state.name, *cells)
    return table
