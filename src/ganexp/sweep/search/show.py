"""What a user of a search sees on the terminal, and the files that tell of its trials."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, Trial, TrialState

from ganexp.files import owned
from ganexp.files.plan import short
from ganexp.report.summary import FILE, write_summary
from ganexp.sweep.search import journal
from ganexp.sweep.search.address import Address
from ganexp.sweep.search.conduct import Search
from ganexp.sweep.search.space import Space
from ganexp.sweep.search.trials import REASON, RUN_DIR
from ganexp.sweep.show import FAILURES, TABLE_ROWS, refresh_report
from ganexp.types.endings import State
from ganexp.types.terminal import count, duration, last_line, print_table, say


def opening(
    directory: Path, address: Address, space: Space, options: Any, objectives: Sequence[str], directions: Sequence[str]
) -> None:
    """Before anything starts: what is searched for, where, and in which space."""
    sampler, pruner = (str(node.get("_target_")).rpartition(".")[2] for node in (options.sampler, options.pruner))
    goal = " and ".join(f"{direction} {name}" for name, direction in zip(objectives, directions, strict=True))
    trials = count(options.n_trials, "trial")
    say(f"{directory}: {goal}; {trials}, {sampler}, {pruner}; study {address.name} in {address.shown}")
    for key, distribution in space.distributions.items():
        say(f"  {key}: {distribution}")


def follow(search: Search, keys: Sequence[str]) -> None:
    """Have a line printed for each trial as it ends, and when others are waited for."""
    started, listed = time.monotonic(), journal.Journal(search)

    def told(trial: Trial, ended: State, words: str) -> None:
        number = trial.number
        setting = short(f"{key}={_shown(value)}" for key, value in trial.params.items() if key in keys)
        elapsed = duration(time.monotonic() - started)
        say(f"trial {number}: {setting}: {ended} {last_line(words)} ({elapsed} since the start)")
        listed.update()

    def waits(number: int) -> None:
        say(f"waiting for {count(number, 'trial')} that other processes are at work on")

    search.told, search.waits = told, waits


def closing(search: Search, space: Space, *, interrupted: bool, report: bool) -> bool:
    """Write the summary and the journal, and tell how the study stands.

    Returns:
        Whether it has a finished trial, and none that failed.
    """
    trials = search.trials.all()
    journal.write(search)
    if any("run_dir" in trial.user_attrs for trial in trials):
        write_summary(search.directory, beside=True)
    if len(trials) <= TABLE_ROWS:
        _show_trials(trials, search.objectives, space.keys)
    failed = [trial for trial in trials if trial.state is TrialState.FAIL]
    for trial in failed[:FAILURES]:
        say(f"trial {trial.number}: {last_line(str(trial.user_attrs.get(REASON)))}")
    states = Counter(trial.state.name for trial in trials)
    say(", ".join(f"{number} {name}" for name, number in states.items()) + f"; {search.directory / FILE}")
    _best(search, trials)
    if report and not interrupted:
        refresh_report(search.directory, changed=search.launched > 0)
    if interrupted:
        say("stopped; the same command goes on")
    elif failed:
        say("what failed is left as it is; sweep.retry=failed tries again")
    return not failed and states["COMPLETE"] > 0


def _shown(value: Any) -> str:
    """A parameter for the eye; the files have all of its digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _best(search: Search, trials: Sequence[FrozenTrial]) -> None:
    """Say which trial is best, or which ones are on the Pareto front; also in optimization_results.yaml."""
    names = search.objectives
    finished = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    if not finished:
        why = "every one of them failed" if all(t.state is TrialState.FAIL for t in trials) else "none is complete"
        say(f"no trial to choose from: {why if trials else 'there are none'}")
        return
    best = search.trials.study.best_trials
    for trial in best:
        values = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, trial.values, strict=True))
        label = "best" if len(names) == 1 else "Pareto"
        say(f"{label}: trial {trial.number}: {values} (reference half A): {trial.user_attrs.get(RUN_DIR)}")
        say(f"  {' '.join(f'{key}={value}' for key, value in trial.params.items())}")
    content: dict[str, Any] = {"name": "optuna"}
    if len(names) == 1:
        content |= {"best_params": best[0].params, "best_value": best[0].value}
    else:
        content |= {"solutions": [{"params": trial.params, "values": list(trial.values)} for trial in best]}
    owned.write_beside(search.directory, "optimization_results.yaml", OmegaConf.to_yaml(OmegaConf.create(content)))


def _show_trials(trials: Sequence[FrozenTrial], objectives: Sequence[str], keys: Sequence[str]) -> None:
    rows = []
    for trial in trials:
        setting = short(f"{key}={_shown(value)}" for key, value in trial.params.items() if key in keys)
        values = trial.values if trial.state is TrialState.COMPLETE else None
        cells = [f"{value:.4g}" for value in values] if values else [""] * len(objectives)
        rows.append((str(trial.number), setting, trial.state.name, *cells))
    print_table(("trial", "setting", "state", *objectives), rows)
