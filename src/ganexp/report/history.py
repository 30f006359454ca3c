"""How a study came about: what was asked for and looked at, in order, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ganexp.report.collect import Run, Study
from ganexp.report.findings import Ranking
from ganexp.report.sentence import Part, Sentence
from ganexp.report.wording import in_words, plural
from ganexp.types.endings import State

MOST = 40
"""Requests and looks that are told one by one."""


def history(study: Study, rankings: Sequence[Ranking]) -> list[Sentence]:
    """Requests and looks in the order of time, then the counts of what did not make it into the ranking."""
    runs = {run.run_id: run for run in study.runs}
    events = [(r.time, sweep.directory.resolve().name, r.run_ids) for sweep in study.sweeps for r in sweep.requests]
    marks = [*((time, name, ids, None) for time, name, ids in events), *((x["time"], "", (), x) for x in study.looks)]
    lines: list[Sentence] = []
    seen: dict[str, Run] = {}
    looked = 0
    for number, (time, name, ids, look) in enumerate(sorted(marks, key=lambda mark: (mark[0], mark[3] is not None))):
        key, day = f"history/{number}", time[:16].replace("T", " ")
        if look is not None:
            looked += 1
            low, high = look["seeds"]
            span = "{low}" if low == high else "{low} to {high}"
            text = "{day} UTC: look {look} at {dataset}, {settings} settings with " + span + " seeds each: {words}."
            parts: dict[str, Part] = {
                "look": looked,
                "dataset": look["dataset"],
                "settings": look["settings"],
                "words": look["verdict"],
            }
            lines.append(Sentence(key, text, {"day": day, "low": low, "high": high, **parts}))
            continue
        new = {each: runs[each] for each in ids if each in runs and each not in seen}
        lines.append(_request(key, day, name, len(ids), new, seen, after=looked > 0))
        seen |= new
    hidden = len(lines) - MOST
    if hidden > 0:
        lines = [*lines[:MOST], Sentence("history/more", "{more} later ones are not told here.", {"more": hidden})]
    return [*lines, *_endings(study, rankings)]


def _request(
    key: str, day: str, name: str, count: int, new: dict[str, Run], seen: dict[str, Run], *, after: bool
) -> Sentence:
    settings = {(run.dataset, run.setting) for run in new.values()}
    before = {(run.dataset, run.setting) for run in seen.values()}
    seeds = sorted({run.seed for run in new.values()} - {run.seed for run in seen.values()})
    text = "{day} UTC: {name} asked for {count} " + plural(count, "run") + ", {new} of them new"
    if new:
        text += ": {settings} new " + plural(len(settings - before), "setting") + ", "
        text += "new seeds {seeds}" if seeds else "no new seeds"
    text += "; added after a first report." if after and new else "."
    span = ", ".join(map(str, seeds)) if len(seeds) < 4 else f"{seeds[0]} to {seeds[-1]} ({len(seeds)})"
    parts: dict[str, Part] = {
        "name": name,
        "count": count,
        "new": len(new),
        "settings": len(settings - before),
        "seeds": span,
    }
    return Sentence(key, text, {"day": day, **parts})


def _endings(study: Study, rankings: Sequence[Ranking]) -> list[Sentence]:
    """What did not make it into a ranking, and what all of it cost."""
    counts = Counter(run.state for run in study.runs)
    ranked = {run.run_id for ranking in rankings for each in ranking.ranked for run in each.done}
    unranked = sum(run.state is State.COMPLETED and run.run_id not in ranked for run in study.runs)
    longest: dict[str, Run] = {}
    for run in study.runs:
        other = longest.get(run.trajectory_id, run)
        longest[run.trajectory_id] = run if run.seconds >= other.seconds else other
    wasted = [r.seconds for r in longest.values() if r.state in (State.FAILED, State.DIVERGED)]
    text = "Of {runs} " + plural(len(study.runs), "run") + " {done} are ranked; {failed} failed, {diverged} diverged, "
    text += (
        "{pruned} were pruned, {rest} finished and are left out (their setting is not ranked), {open} are not finished."
    )
    endings = (State.COMPLETED, State.FAILED, State.DIVERGED, State.PRUNED)
    parts: dict[str, Part] = {
        "runs": len(study.runs),
        "done": len(ranked),
        "failed": counts[State.FAILED],
        "diverged": counts[State.DIVERGED],
        "pruned": counts[State.PRUNED],
        "rest": unranked,
        "open": sum(count for state, count in counts.items() if state not in endings),
        "whole": in_words(sum(run.seconds for run in longest.values())),
        "lost": in_words(sum(wasted)),
    }
    if not study.table:
        text += " Training took {whole} of machine, {lost} of it in runs that failed or diverged."
    return [Sentence("history/endings", text, parts)]
