"""What a user of a search sees on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, Trial, TrialState

from ganexp.files import owned
from ganexp.files.plan import short
from ganexp.report.summary import FILE, write_summary
from ganexp.sweep.search.conduct import Search
from ganexp.sweep.search.space import Space
from ganexp.sweep.search.study import Address, Direction
from ganexp.sweep.search.trials import LEFT_OUT, REASON, RUN_DIR, Journal, counted
from ganexp.sweep.show import FAILURES, TABLE_ROWS, Watch, how_to_go_on, refresh_report
from ganexp.types.terminal import count, last_line, print_table, say

OUT = "left out"  # in place of a state: the combination of values is refused


def opening(directory: Path, address: Address, space: Space, options: Any, objectives: Mapping[str, Direction]) -> None:
    """Print what is searched for, where, and in which space."""
    sampler, pruner = (str(node.get("_target_")).rpartition(".")[2] for node in (options.sampler, options.pruner))
    goal = " and ".join(f"{direction} {name}" for name, direction in objectives.items())
    trials = count(options.n_trials, "trial")
    say(f"{directory}: {goal}; {trials}, {sampler}, {pruner}; study {address.name} in {address.shown}")
    for key, distribution in space.distributions.items():
        say(f"  {key}: {distribution}")


def follow(search: Search, keys: Sequence[str]) -> None:
    """Print a line for each trial as it ends, and when the search waits for others."""
    watch, journal = Watch("trial"), Journal(search.trials, search.objectives)

    def on_end(trial: Trial, ending: str, words: str) -> None:
        watch.ended(f"trial {trial.number}: {_setting(trial.params, keys)}: {ending} {last_line(words)}".rstrip())
        journal.update()

    search.on_end, search.on_wait = on_end, watch.waits


def closing(search: Search, space: Space, *, stopped: str, urgent: bool, report: bool) -> bool:
    """Write the summary and trials.json, and print the result; returns whether all trials ended, and none failed."""
    trials = search.trials.all()
    Journal(search.trials, search.objectives).write()
    if any(RUN_DIR in trial.user_attrs for trial in trials):
        write_summary(search.directory, beside=True)
    if len(trials) <= TABLE_ROWS:
        _show_trials(trials, search.objectives, space.keys)
    failed = [trial for trial in trials if trial.state is TrialState.FAIL]
    for trial in failed[:FAILURES]:
        say(f"trial {trial.number}: {last_line(str(trial.user_attrs.get(REASON)))}")
    states = Counter(state_of(trial) for trial in trials)
    say(", ".join(f"{number} {name}" for name, number in states.items()) + f"; {search.directory / FILE}")
    _best(search, trials)
    if report and not urgent:
        refresh_report(search.directory, changed=search.jobs_launched > 0)
    all_ended = not states["RUNNING"] and len(counted(trials)) >= search.trials.total
    good = all_ended and not failed and (states["COMPLETE"] > 0 or states[OUT] == len(trials))
    how_to_go_on("" if good else stopped, failed=bool(failed))
    return good


def state_of(trial: FrozenTrial) -> str:
    """Optuna's state of a trial, or that it was left out."""
    return OUT if LEFT_OUT in trial.user_attrs else trial.state.name


def _setting(params: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Parameters for display, rounded; the files have all digits."""
    rounded = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in params.items()}
    return short(f"{key}={value}" for key, value in rounded.items() if key in keys)


def _best(search: Search, trials: Sequence[FrozenTrial]) -> None:
    """Print the best trial, or the Pareto front; also write optimization_results.yaml."""
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
        values = trial.values if trial.state is TrialState.COMPLETE else None
        cells = [f"{value:.4g}" for value in values] if values else [""] * len(objectives)
        rows.append((str(trial.number), _setting(trial.params, keys), state_of(trial), *cells))
    print_table(("trial", "setting", "state", *objectives), rows)
