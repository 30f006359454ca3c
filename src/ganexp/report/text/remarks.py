"""What a verdict says besides its claims: all data sets together, evidence, looks, seeds that do not fit."""

from __future__ import annotations

from collections.abc import Sequence

from ganexp.metrics import words
from ganexp.report.ranking import Ranking, columns
from ganexp.report.runs import RunRecord
from ganexp.report.statistics.compare import LEVEL, MIN_SEEDS, compare
from ganexp.report.statistics.comparison import RULE, Comparison
from ganexp.report.statistics.means import geometric_mean
from ganexp.report.statistics.outliers import outlying
from ganexp.report.study import CONFIRM, Study
from ganexp.report.text.sentence import Code, Sentence, Strong, name_of, names_of, percent
from ganexp.types.terminal import plural


def together(rankings: Sequence[Ranking]) -> list[Sentence]:
    """What several data sets say together of the settings that are ranked on all of them; [] where there is nothing."""
    first = next((ranking for ranking in rankings if ranking.objective is not None), None)
    if first is None:
        return []
    parts = [r for r in rankings if (r.objective, r.direction) == (first.objective, first.direction)]
    names = [ranking.dataset for ranking in parts]
    shared = set.intersection(*({standing.setting for standing in ranking.ranked} for ranking in parts))
    if len(parts) < 2 or len(set(names)) < len(names) or len(shared) < 2:
        return []
    runs = [run for r in parts for standing in r.ranked if standing.setting in shared for run in standing.done]
    comparison = compare(
        *columns(runs, first.objective),
        direction=first.direction,
        looks=first.comparison.looks if first.comparison else (),
        blocks=[run.dataset for run in runs],
    )
    text = "Over {datasets} data sets together ({names}; each weighs the same, {settings} settings have them all) "
    if not comparison.claims:
        text += "no claim can be made: too few seeds. {name} comes first."
    elif comparison.single:
        text += "{name} is the best setting, better than each other one, family-wise at {level} %."
    else:
        text += "{name} comes first; {apart} of {others} others can be told from it, family-wise at {level} %."
    counts = {"datasets": len(parts), "settings": len(shared), "others": len(shared) - 1}
    name, apart, level = Strong(name_of(comparison.chosen)), len(comparison.told_apart), percent(comparison.level)
    return [Sentence.leading("together", text, names=", ".join(names), name=name, apart=apart, level=level, **counts)]


def older_protocols(study: Study) -> list[Sentence]:
    """How many runs are scored by an older protocol than others, and what scores them again; [] where none is."""
    places = [(sweep.directory.resolve().name, sweep.runs) for sweep in study.sweeps]
    places += [(f"SWEEP_DIR/{CONFIRM}", study.confirmed)] if study.confirmed else []
    versions = {run.version for _, runs in places for run in runs if run.objective is not None}
    sentences = []
    for version in sorted(versions)[:-1]:
        for number, (place, runs) in enumerate(places):
            old = sum(run.objective is not None and run.version == version for run in runs)
            text = (
                "{old} "
                + plural(old, "run is", "runs are")
                + " scored by protocol {version}, others by {newest}: they "
            )
            text += "are never ranked together. {code} scores them again."
            parts = {"old": old, "version": version, "newest": max(versions)}
            code = Code(f"python -m ganexp.evaluate {place}")
            sentences += [Sentence.of(f"protocol/{version}/{number}", text, code=code, **parts)] if old else []
    return sentences


def marked(ranking: Ranking) -> list[Sentence]:
    """Columns whose values say little, and why: those of a classifier that is right too seldom."""
    runs = [run for standing in ranking.standings for run in standing.done]
    found = {column: why for run in runs for column, why in dict(run.measured.get("marked") or {}).items()}
    text = "{column} says little here: {why}; settings are chosen by {objective}."
    return [
        Sentence.of("marked", text, column=column, why=" ".join(str(why).split())[:400], objective=ranking.objective)
        for column, why in sorted(found.items())
    ]


def left_behind(ranking: Ranking, comparison: Comparison) -> list[Sentence]:
    """Settings that have too few seeds, and what that costs the others."""
    behind, name = ranking.left_behind, ranking.objective or ""
    if not behind:
        return []
    values = {each.name: geometric_mean([run.value(name) or 0.0 for run in each.done]) or 0.0 for each in behind}
    nearest = (min if ranking.direction == "minimise" else max)(values, key=values.__getitem__)
    text = "{left} more " + plural(len(behind), "setting has", "settings have") + " fewer than {least} seeds: nothing "
    text += "is claimed of " + plural(len(behind), "it", "them") + ". The nearest is {nearest}, {objective} {value}."
    near = comparison.family - len(comparison.estimates)
    if near:
        text += " {near} of them " + plural(near, "is", "are") + " so near that chance may have left "
        text += plural(near, "it", "them") + " behind: limits are as wide as if all had been compared."
    numbers = {"left": len(behind), "least": MIN_SEEDS, "value": values[nearest], "near": near}
    return [Sentence.of("left", text, nearest=Strong(nearest), objective=name, **numbers)]


def mixed(ranking: Ranking) -> list[Sentence]:
    """Settings whose seeds were made under different conditions."""
    names = []
    for standing in ranking.ranked:
        conditions = _conditions(standing.done).items()
        differing = [f"{what}: {', '.join(values)}" for what, values in conditions if len(values) > 1]
        if differing:
            names.append(f"{standing.name} ({'; '.join(differing)})")
    if not names:
        return []
    were = plural(len(names), "setting was", "settings were")
    text = "The seeds of {count} " + were + " not all made alike: {names}. "
    text += "They are averaged here as they are, and part of what differs may come from that."
    return [Sentence.of("mixed", text, count=len(names), names=names_of(names))]


def _conditions(runs: Sequence[RunRecord]) -> dict[str, list[str]]:
    """What must be equal for seeds to differ by chance alone -> its values."""
    values: dict[str, set[str]] = {}
    for run in runs:
        record = run.provenance
        versions, code = record.get("versions") or {}, record.get("own_code")
        conditions = {
            "device": record.get("device"),
            "torch": versions.get("torch"),
            "precision": run.values.get("trainer.precision"),
            "own code": code.get("digest") if isinstance(code, dict) else None,
            "code of ganexp": record.get("git_revision") or versions.get("ganexp"),
        }
        for what, value in conditions.items():
            if value:
                values.setdefault(what, set()).add(" ".join(str(value).split())[:400])
    return {what: sorted(each) for what, each in values.items()}


def outlier(ranking: Ranking, comparison: Comparison) -> list[Sentence]:
    """A seed far off the others of its setting, and what it costs."""
    runs = [run for standing in ranking.ranked for run in standing.done]
    odd = outlying(*columns(runs, ranking.objective), direction=ranking.direction)
    if odd is None:
        return []
    text = "Seed {seed} of {name} lies far off: {value}, where its other seeds have {others}."
    if odd.ratio_with is not None and odd.ratio_without is not None:
        text += " It costs: " + ("a factor" if comparison.log else "a difference")
        text += " of {with_it} from the best can be told with it, of {without} without it."
    text += " It is not left out: seeds that do not fit are what makes a setting risky."
    name, costs = Strong(name_of(odd.setting)), {"with_it": odd.ratio_with, "without": odd.ratio_without}
    sentence = Sentence.of("outlier", text, seed=str(odd.seed), name=name, value=odd.value, others=odd.others, **costs)
    return [sentence]


def least(comparison: Comparison) -> list[Sentence]:
    """The least difference that can be told apart."""
    if comparison.ratio is None:
        return []
    kind = "by a factor of about" if comparison.log else "by about"
    text = f"Two settings must differ {kind} {{ratio}} to be told apart with these seeds"
    within, between = comparison.within_ratio, comparison.between_ratio
    if within is not None and between is not None:
        text += f"; of one training's epochs {kind} {{within}}, of trainings apart {kind} {{between}}"
    parts = {"ratio": comparison.ratio, "within": within, "between": between}
    return [Sentence.remark("least", text + ".", **parts)]


def ground(comparison: Comparison) -> list[Sentence]:
    """How much values scatter, and what intervals and differences rest on."""
    spread = sorted((each.sd, name_of(each.setting)) for each in comparison.estimates if each.sd is not None)
    if not spread:
        return []
    scale, unit = (100, " %") if comparison.log else (1, "")
    (low, quiet), (high, noisy) = spread[0], spread[-1]
    text = "The ground: values scatter over seeds by {low}" + unit + " ({quiet}) to {high}" + unit + " ({noisy}). "
    text += "Intervals of single settings rest on their own seeds alone; differences are measured by {rule}. Both take "
    text += "scatter to be " + ("log-normal." if comparison.log else "normal, as not all values are above 0.")
    words = {"quiet": quiet, "noisy": noisy, "rule": RULE}
    return [Sentence.remark("ground", text, low=scale * low, high=scale * high, **words)]


def looks(study: Study, ranking: Ranking, comparison: Comparison) -> list[Sentence]:
    """The error rate of this look, and what looking early costs."""
    if comparison.look == 1:
        text = "This is the first look at this data set in this sweep: it may make a false claim in {level} % of "
        text += "studies. Looking early costs: every later look, with more seeds, has only what remains of {whole} % "
        text += "and must see a larger difference. The same report given again is no new look."
    else:
        text = "This is look {look} at this data set in this sweep: earlier ones were chances of a false claim too, so "
        text += "it may make one in {level} % of studies only, and all looks so far in {spent} % (of {whole} %). "
        text += "Whoever looks less often needs a smaller difference."
    if all(look["runs"] != ranking.runs for look in study.looks):
        text += " It is not noted in the sweep directory, so that later reports will not count it."
    shares = {"level": comparison.level, "whole": 1 - LEVEL, "spent": comparison.spent}
    parts = {name: percent(share) for name, share in shares.items()}
    return [Sentence.remark("looks", text, look=comparison.look, **parts)]


def halves(ranking: Ranking) -> list[Sentence]:
    """What choosing on one half of the reference guards against, and what not."""
    if ranking.halves:
        text = "Chosen on half A of the reference images, reported on half B. That removes what the reference's noise "
        text += "and the choice of an epoch flatter; it does not remove the luck of a training seed, which both halves "
        text += "share."
    else:
        text = "The same value chose and is reported: expect it to be a little too good."
    return [Sentence.remark("halves", text)]


def bad_words(ranking: Ranking) -> list[str]:
    """The word of each ranked setting where nothing better than few shapes or noise is said of any; else empty."""
    said = [standing.word(ranking.objective) for standing in ranking.ranked]
    bad = [word for word in said if word in words.BAD]
    return bad if len(bad) == len(said) else []
