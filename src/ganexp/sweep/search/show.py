"""What a user of a search sees on the terminal."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from ganexp.files import owned
from ganexp.files.plan import short
from ganexp.report.settings import text_of
from ganexp.report.summary import FILE, write_summary
from ganexp.report.text.closing import ROWS
from ganexp.sweep.points import Point
from ganexp.sweep.search.conduct import Search
from ganexp.sweep.search.course import Course
from ganexp.sweep.search.space import Space, in_words
from ganexp.sweep.search.trials import LEFT_OUT, REASON, RUN_DIR, WARM, Journal, counted
from ganexp.sweep.show import FAILURES, Watch, how_to_go_on, refresh_report
from ganexp.types.nested import short_keys
from ganexp.types.tables import print_table
from ganexp.types.terminal import count, last_line, say

OUT = "left out"  # in place of a state: the combination of values is refused


def opening(directory: Path, options: Any, asked: Any, run_of: Callable[[tuple[str, ...]], Point]) -> None:
    """Print what is searched for, where, and in which space.

    `options` are the sweeper's, `asked` is what it was asked for; `run_of` gives the run of some overrides.
    """
    space, course, address = asked.space, asked.course, asked.address
    sampler, pruner = (str(node.get("_target_")).rpartition(".")[2] for node in (options.sampler, options.pruner))
    pruner = course.words or pruner
    goal = " and ".join(f"{direction} {name}" for name, direction in asked.objectives.items())
    trials = count(options.n_trials, "trial")
    say(f"{directory}: {goal}; {trials}, {sampler}, {pruner}; study {address.name} in {address.shown}")
    for key, distribution in space.distributions.items():
        group, having = space.conditions.having.get(key, ("", ()))
        where = f", with {group}={','.join(sorted(having))}" if having else ""
        say(f"  {key} {in_words(distribution)}{where}")
    if course.seeds:
        say(f"  seeds of each point: {', '.join(map(str, course.seeds))}")
    _restarts(course, asked.probes, run_of, space.keys)


def _restarts(
    course: Course, probes: Sequence[Point], run_of: Callable[[tuple[str, ...]], Point], keys: Sequence[str]
) -> None:
    """Print where a promoted trial cannot go on from its checkpoint, as each rung has a trajectory of its own."""
    apart = [
        p for p in probes if course.rungs and p.trajectory_id != run_of(course.at_first(p.overrides)).trajectory_id
    ]
    if apart:
        where = "" if len(apart) == len(probes) else f" ({apart[0].setting(keys)}, say)"
        say(f"  what follows trainer.epochs{where} differs from rung to rung: there a promoted trial starts again")


def follow(search: Search, keys: Sequence[str]) -> None:
    """Print a line for each trial as it ends, and when the search waits for others."""
    watch, journal = Watch("trial"), Journal(search.trials, search.objectives, search.course.words)
    missing, numbers = search.trials.total - len(counted(search.trials.all())), itertools.count(1)

    def on_end(trial: Trial, ending: str, words: str) -> None:
        left = watch.elapsed() * max(0.0, missing / next(numbers) - 1)
        line = f"trial {trial.number}: {_setting(trial.params, keys)}: {ending} {last_line(words)}".rstrip()
        watch.ended(line, left or None)
        journal.update()

    def on_lead(trial: Trial, words: str) -> None:
        say(f"trial {trial.number} leads: {_setting(trial.params, keys)}: {words}")

    search.on_end, search.on_wait, search.on_lead = on_end, watch.waits, on_lead


def closing(search: Search, space: Space, *, stopped: str, urgent: bool, report: bool) -> bool:
    """Write the summary and trials.json, and print the result; returns whether all trials ended, and none failed."""
    trials = search.trials.all()
    Journal(search.trials, search.objectives, search.course.words).write()
    if any(RUN_DIR in trial.user_attrs for trial in trials):
        write_summary(search.directory, beside=True)
    _show_trials(trials, search, space.keys)
    failed = [trial for trial in counted(trials) if trial.state is TrialState.FAIL]
    for trial in failed[:FAILURES]:
        say(f"trial {trial.number}: {last_line(str(trial.user_attrs.get(REASON)))}")
    states = Counter(state_of(trial) for trial in trials)
    say(", ".join(f"{number} {name}" for name, number in states.items()) + f"; {search.directory / FILE}")
    _best(search, trials)
    if report and not urgent:
        refresh_report(search.directory, changed=search.jobs_launched > 0)
    over = search.timed_out
    if over:
        say(f"the study's time is over (hydra.sweeper.timeout={search.timeout:g})")
    if search.too_many_failed and len(counted(trials)) < search.trials.total:
        say(f"no new trial begins: {search.failed} failed, more than hydra.sweeper.max_failure_rate allows")
    all_ended = not states["RUNNING"] and (over or len(counted(trials)) >= search.trials.total)
    good = all_ended and not failed and (states["COMPLETE"] > 0 or states[OUT] == len(trials))
    how_to_go_on("" if good else stopped, failed=bool(failed))
    return good


def state_of(trial: FrozenTrial) -> str:
    """Optuna's state of a trial, or that it was left out."""
    return OUT if LEFT_OUT in trial.user_attrs else trial.state.name


def _setting(params: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Parameters for display."""
    return short(f"{key}={value}" for key, value in _rounded(params).items() if key in keys)


def _rounded(params: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers rounded where they were drawn; the files have all digits."""
    return {key: text_of(value, digits=4) if isinstance(value, float) else value for key, value in params.items()}


def _best(search: Search, trials: Sequence[FrozenTrial]) -> None:
    """Print the best trial, or the Pareto front; also write optimization_results.yaml."""
    names = search.objectives
    finished = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    if not finished:
        why = "every one of them failed" if all(t.state is TrialState.FAIL for t in trials) else "none is complete"
        say(f"no trial to choose from: {why if trials else 'there are none'}")
        if search.course.seeds and (leader := search.course.leader(trials)) is not None:
            setting = _setting(leader.params, [*leader.params])
            say(f"so far trial {leader.number} leads: {setting}: {search.so_far(leader)}")
        return
    best = search.trials.study.best_trials
    for trial in best:
        shown = [search.course.shown(value) for value in trial.values]
        values = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, shown, strict=True))
        label, seeds = "best" if len(names) == 1 else "Pareto", search.course.over_seeds(trial)
        say(f"{label}: trial {trial.number}: {values}{seeds}, on the half of the reference that chooses")
        say(f"  run: {trial.user_attrs.get(WARM) or search.directory / str(trial.user_attrs.get(RUN_DIR))}")
        say(f"  {' '.join(f'{key}={value}' for key, value in trial.params.items())}")
    content: dict[str, Any] = {"name": "optuna"}
    if len(names) == 1:
        content |= {"best_params": best[0].params, "best_value": search.course.shown(best[0].values[0])}
    else:
        content |= {"solutions": [{"params": trial.params, "values": list(trial.values)} for trial in best]}
    owned.write_beside(search.directory, "optimization_results.yaml", OmegaConf.to_yaml(OmegaConf.create(content)))


def _show_trials(trials: Sequence[FrozenTrial], search: Search, keys: Sequence[str]) -> None:
    """A table of the best trials: the Pareto front first where there are several objectives."""
    shown = sorted(trials, key=_order(search, trials))[:ROWS]
    if not shown:
        return
    names = short_keys(keys)
    rows = [["trial", *names.values(), "state", *search.objectives]]
    for trial in shown:
        values = trial.values if trial.state is TrialState.COMPLETE else None
        params = _rounded(trial.params)
        cells = [f"{search.course.shown(value):.4g}" for value in values] if values else [""] * len(search.objectives)
        rows.append([str(trial.number), *(str(params.get(key, "")) for key in names), state_of(trial), *cells])
    print_table(rows[0], rows[1:])
    if len(shown) < len(trials):
        say(f"... and {count(len(trials) - len(shown), 'more trial')}, in trials.json")


def _order(search: Search, trials: Sequence[FrozenTrial]) -> Callable[[FrozenTrial], tuple[bool, bool, float, int]]:
    finished = any(trial.state is TrialState.COMPLETE for trial in trials)
    front = {trial.number for trial in search.trials.study.best_trials} if finished else set()
    sign = -1 if search.trials.study.directions[0] is StudyDirection.MAXIMIZE else 1

    def place(trial: FrozenTrial) -> tuple[bool, bool, float, int]:
        values = trial.values if trial.state is TrialState.COMPLETE else None
        return not values, trial.number not in front, sign * values[0] if values else 0.0, trial.number

    return place
