"""For a paper or a thesis: figures as PDF and PNG, the leaderboard as LaTeX and Markdown, a paragraph of methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ganexp.files import owned
from ganexp.report.chapters import Chapter, chapters, drawings
from ganexp.report.facts import overview
from ganexp.report.looks import record_looks
from ganexp.report.ranking import Ranking, Standing, rankings
from ganexp.report.settings import VerdictOptions, key_names, level_order, text_of
from ganexp.report.study import Study
from ganexp.report.text.phrases import decimal, named, named_setting, say, speaking, spoken
from ganexp.report.text.sentence import md, readable
from ganexp.report.write import read_sweeps
from ganexp.types.endings import State
from ganexp.types.terminal import plain

LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$"}
LATEX |= {character: f"\\{character}" for character in "&%$#_{}"}

TRAINED_BY = (
    *("model", "loss", "penalty", "augment", "optim.lr"),
    *("trainer.batch_size", "trainer.epochs", "trainer.d_steps"),
)


def write_figures(
    sweep_dirs: Sequence[Path], folder: Path, options: VerdictOptions, language: str = "en", *, force: bool = False
) -> list[str]:
    """Write everything into `folder`; returns the names of its files.

    Raises:
        DirectoryError: see the package.
    """
    study = read_sweeps(sweep_dirs, options)
    results = rankings(study, options)
    parts = chapters(study, results, options)
    files: dict[str, bytes] = {}
    with speaking(language):
        for part in parts:
            order = study.runs if study.searched else ()
            for drawing in (each for section in drawings(part, order).values() for each in section):
                files |= {f"{drawing.name}.pdf": drawing.saved("pdf"), f"{drawing.name}.png": drawing.saved("png")}
            rows = leaderboard(part)
            files[f"{part.id}-leaderboard.tex"] = as_latex(rows).encode()
            files[f"{part.id}-leaderboard.md"] = as_markdown(rows).encode()
        files["methods.md"] = (methods(study, results) + "\n").encode()
    owned.check(folder, files, force=force)
    record_looks(study, results)
    owned.write(folder, files, force=force)
    return list(files)


def leaderboard(chapter: Chapter) -> list[list[str]]:
    """Header and rows of the leaderboard, in the present language."""
    ranking, names = chapter.ranking, chapter.metrics[:5]
    keys = [named(name) for name in key_names(chapter.keys).values()]
    head = [say("rank"), *keys, ranking.objective or "", say("95 % interval"), *map(named, names), say("seeds")]
    return [[*head, say("against the best")], *(_row(ranking, standing, names) for standing in ranking.standings)]


def _row(ranking: Ranking, standing: Standing, names: Sequence[str]) -> list[str]:
    estimate, interval = standing.estimate, "–"
    if estimate is not None and estimate.low is not None:
        interval = say("{low} to {high}", low=_number(estimate.low), high=_number(estimate.high))
    texts = [spoken(value) for _, value in standing.setting]
    means = [_number(standing.mean(name)) for name in names]
    value = _number(estimate.value if estimate else None)
    seeds = (
        str(len(standing.done))
        if len(standing.done) == len(standing.runs)
        else f"{len(standing.done)}/{len(standing.runs)}"
    )
    return [str(standing.rank or "–"), *texts, value, interval, *means, seeds, _against(ranking, standing)]


def _against(ranking: Ranking, standing: Standing) -> str:
    if standing.rank is None:
        return say("not ranked")
    if standing.rank == 1:
        return say("the best" if ranking.claims and ranking.comparison and ranking.comparison.single else "first")
    return say("no claim" if standing.together is None else "not told apart" if standing.together else "worse")


def _number(value: float | None) -> str:
    return decimal(readable(value).replace("\u202f", ""))


def as_latex(rows: Sequence[Sequence[str]]) -> str:
    """A table as a LaTeX tabular, which needs no package."""

    def line(cells: Sequence[str]) -> str:
        return (
            " & ".join("".join(LATEX.get(character, character) for character in plain(cell)) for cell in cells) + r" \\"
        )

    head, *body = rows
    inner = [line(head), r"\hline", *map(line, body)]
    columns = "r" + "l" * (len(head) - 1)
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\hline", *inner, r"\hline", r"\end{tabular}", ""])


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table as Markdown."""
    head, *body = [f"| {' | '.join(map(md, row))} |" for row in rows]
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body, ""])


def methods(study: Study, results: Sequence[Ranking]) -> str:
    """A paragraph: data, networks, seeds, statistics, failed runs, versions, machine and hours."""
    facts = overview(study)
    datasets = "; ".join(dict.fromkeys(_data(ranking) for ranking in results if ranking.standings))
    seeds = sorted({len(standing.runs) for ranking in results for standing in ranking.standings})
    settings = sum(len(ranking.standings) for ranking in results)
    objectives = ", ".join(dict.fromkeys(ranking.objective for ranking in results if ranking.objective))
    ranked = say(
        "Settings are ranked by {objective} at the final epoch, chosen on one half of the reference images and "
        "reported on the other; intervals are 95 % intervals for the mean over new seeds, and comparisons hold "
        "family-wise at 5 % over all settings and all looks.",
        objective=objectives,
    )
    states = Counter(run.state for run in study.runs)
    others = ", ".join(
        f"{number} {named(state.lower())}" for state, number in states.items() if state is not State.COMPLETED
    )
    bad = say("; the others: {states}, all of them in the tables", states=others) if others else ""
    sentences = [
        say("Data: {datasets}.", datasets=datasets),
        say("Networks and training: {values}; what varied: {varied}.", values=_constant(study), varied=_varied(study)),
        say("Each of the {settings} settings was trained with {seeds} seeds.", settings=settings, seeds=_span(seeds)),
        ranked if objectives else say("Nothing was measured."),
        say("Of {runs} runs, {done} were completed{bad}.", runs=len(study.runs), done=states[State.COMPLETED], bad=bad),
    ]
    if facts["versions"]:
        versions = ", ".join(f"{name} {'/'.join(found)}" for name, found in facts["versions"].items())
        sentences.append(say("Versions: {versions}.", versions=versions))
    if facts["machines"]:
        hours = decimal(f"{facts['trained'] / 3600:.3g}")
        machines = "; ".join(facts["machines"])
        sentences.append(say("Machine: {machine}; {hours} hours of training in all.", machine=machines, hours=hours))
    return f"## {say('Methods')}\n\n{md(' '.join(sentences))}"


def _span(numbers: Sequence[int]) -> str:
    ends = list(map(str, (numbers[0], numbers[-1]) if numbers else (0, 0)))
    return ends[0] if ends[0] == ends[1] else say("{low} to {high}", low=ends[0], high=ends[1])


def _data(ranking: Ranking) -> str:
    lead = ranking.standings[0].lead
    record = lead.provenance.get("dataset") or {}
    origin = record.get("reference_origin") or (lead.measured.get("reference") or {}).get("origin")
    if not origin or not lead.measured.get("num_samples"):
        return ranking.dataset
    parts = {"name": ranking.dataset, "num": lead.measured["num_samples"]}
    words = "{name} ({num} generated images a score, against {reference})"
    return say(words, reference=say("the {origin}", origin=named(origin)), **parts)


def _constant(study: Study) -> str:
    """What all runs have in common."""
    values = {key: {text_of(run.values.get(key)) for run in study.runs if key in run.values} for key in TRAINED_BY}
    pairs = tuple(
        (key, next(iter(found))) for key, found in values.items() if len(found) == 1 and key not in study.keys
    )
    return named_setting(pairs)


def _varied(study: Study) -> str:
    levels = {key: level_order(text_of(run.values.get(key)) for run in study.runs) for key in study.keys}
    shown = {key: [*each[:6], *(["..."] if len(each) > 6 else [])] for key, each in levels.items()}
    names = key_names(shown)
    return "; ".join(f"{named(names[key])} {', '.join(map(spoken, each))}" for key, each in shown.items()) or "–"
