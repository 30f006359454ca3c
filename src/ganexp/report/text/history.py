"""How a study came about: requests and looks in order, and how the runs ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ganexp.files.contents import OneLook
from ganexp.files.plan import Request
from ganexp.report.ranking import Ranking
from ganexp.report.runs import RunRecord, longest_runs
from ganexp.report.study import Study
from ganexp.report.text.sentence import Sentence
from ganexp.types.endings import State
from ganexp.types.terminal import duration, plural

MOST = 40  # requests and looks that are told one by one


def history(study: Study, rankings: Sequence[Ranking]) -> list[Sentence]:
    """Requests and looks in the order of time, then the counts of runs that are not ranked."""
    runs = {run.run_id: run for run in study.runs}
    requests = [(r.time, sweep.directory.resolve().name, r) for sweep in study.sweeps for r in sweep.requests]
    looks = [(look["time"], "", look) for look in study.looks]
    events: list[tuple[str, str, Request | OneLook]] = [*requests, *looks]
    events.sort(key=lambda event: event[0])
    sentences: list[Sentence] = []
    earlier: dict[str, RunRecord] = {}
    looked = 0
    for number, (time, name, event) in enumerate(events):
        key, day = f"history/{number}", time[:16].replace("T", " ")
        if isinstance(event, Request):
            new = {run_id: runs[run_id] for run_id in event.run_ids if run_id in runs and run_id not in earlier}
            sentences.append(_request(key, day, name, event, new, earlier, after=looked > 0))
            earlier |= new
        else:
            looked += 1
            sentences.append(_look(key, day, looked, event))
    hidden = len(sentences) - MOST
    if hidden > 0:
        more = Sentence("history/more", "{more} later ones are not told here.", {"more": hidden})
        sentences = [*sentences[:MOST], more]
    return [*sentences, _endings(study, rankings)]


def _look(key: str, day: str, number: int, look: OneLook) -> Sentence:
    low, high = look["seeds"]
    span = "{low}" if low == high else "{low} to {high}"
    text = "{day} UTC: look {look} at {dataset}, {settings} settings with " + span + " seeds each: {words}."
    words = {"dataset": look["dataset"], "words": look["verdict"]}
    return Sentence.of(key, text, day=day, low=low, high=high, look=number, settings=look["settings"], **words)


def _request(
    key: str,
    day: str,
    name: str,
    request: Request,
    new: Mapping[str, RunRecord],
    earlier: Mapping[str, RunRecord],
    *,
    after: bool,
) -> Sentence:
    settings = {(run.dataset, run.setting) for run in new.values()}
    settings -= {(run.dataset, run.setting) for run in earlier.values()}
    seeds = sorted({run.seed for run in new.values()} - {run.seed for run in earlier.values()})
    text = "{day} UTC: {name} asked for {count} " + plural(len(request.run_ids), "run") + ", {new} of them new"
    if new:
        text += ": {settings} new " + plural(len(settings), "setting") + ", "
        text += "new seeds {seeds}" if seeds else "no new seeds"
    text += "; added after a first report." if after and new else "."
    span = ", ".join(map(str, seeds)) if len(seeds) < 4 else f"{seeds[0]} to {seeds[-1]} ({len(seeds)})"
    counts = {"count": len(request.run_ids), "new": len(new), "settings": len(settings)}
    return Sentence.of(key, text, day=day, name=name, seeds=span, **counts)


def _endings(study: Study, rankings: Sequence[Ranking]) -> Sentence:
    counts = Counter(run.state for run in study.runs)
    ranked = {run.run_id for ranking in rankings for standing in ranking.ranked for run in standing.done}
    longest = longest_runs(study.runs)
    lost = [run.seconds for run in longest if run.state in (State.FAILED, State.DIVERGED)]
    text = "Of {runs} " + plural(len(study.runs), "run") + " {done} are ranked; {failed} failed, {diverged} diverged, "
    text += "{pruned} were pruned, {rest} finished and are left out (their setting is not ranked), "
    text += "{open} are not finished."
    if not study.table:
        text += " Training took {whole} of machine, {lost} of it in runs that failed or diverged."
    endings = (State.COMPLETED, State.FAILED, State.DIVERGED, State.PRUNED)
    return Sentence.of(
        "history/endings",
        text,
        runs=len(study.runs),
        done=len(ranked),
        failed=counts[State.FAILED],
        diverged=counts[State.DIVERGED],
        pruned=counts[State.PRUNED],
        rest=sum(run.state is State.COMPLETED and run.run_id not in ranked for run in study.runs),
        open=sum(count for state, count in counts.items() if state not in endings),
        whole=duration(sum(run.seconds for run in longest)),
        lost=duration(sum(lost)),
    )
