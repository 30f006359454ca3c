"""What a verdict says besides: its ground, what looking costs, seeds that do not fit, runs that were not made alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ganexp.report.collect import Run, Study, label
from ganexp.report.findings import Ranking, columns
from ganexp.report.outliers import outlying
from ganexp.report.sentence import Part, Sentence, Strong
from ganexp.report.statistics import LEVEL, Comparison
from ganexp.report.wording import plural

LISTED = 12
"""Settings named in a sentence."""

Say = Callable[..., Sentence]
"""Makes a sentence of a topic, a text and its parts."""


def mixed(say: Say, ranking: Ranking) -> list[Sentence]:
    """Settings whose seeds were not all made alike."""
    lines = []
    for each in ranking.ranked:
        differing = [f"{what}: {', '.join(met)}" for what, met in _conditions(each.done).items() if len(met) > 1]
        if differing:
            lines.append(f"{each.name} ({'; '.join(differing)})")
    if not lines:
        return []
    text = (
        "The seeds of {count} " + plural(len(lines), "setting was", "settings were") + " not all made alike: {names}. "
    )
    text += "They are averaged here as they are, and part of what differs may come from that."
    return [say("mixed", text, count=len(lines), names=names_of(lines))]


def _conditions(runs: Sequence[Run]) -> dict[str, list[str]]:
    """What must be equal for seeds to differ by chance alone -> what was met."""
    met: dict[str, dict[str, None]] = {}
    for run in runs:
        record = run.result.get("provenance") or {}
        versions, code = record.get("versions") or {}, record.get("own_code")
        own = {
            "device": record.get("device"),
            "torch": versions.get("torch"),
            "precision": run.values.get("trainer.precision"),
            "own code": code.get("digest") if isinstance(code, dict) else None,
            "code of ganexp": record.get("git_revision") or versions.get("ganexp"),
        }
        for what, value in own.items():
            if value:
                met.setdefault(what, {})[" ".join(str(value).split())[:400]] = None
    return {what: sorted(values) for what, values in met.items()}


def outlier(say: Say, ranking: Ranking, comparison: Comparison) -> list[Sentence]:
    """A single seed far off the others of its setting, and what it costs."""
    runs = [run for each in ranking.ranked for run in each.done]
    odd = outlying(*columns(runs, ranking.objective), direction=ranking.direction)
    if odd is None:
        return []
    text = "Seed {seed} of {name} lies far off: {value}, where its other seeds have {others}."
    if odd.ratio_with is not None and odd.ratio_without is not None:
        text += " It costs: " + ("a factor" if comparison.log else "a difference")
        text += " of {with_it} from the best can be told with it, of {without} without it."
    text += " It is not left out: seeds that do not fit are what makes a setting risky."
    parts: dict[str, Part] = {"with_it": odd.ratio_with, "without": odd.ratio_without, "others": odd.others}
    return [say("outlier", text, seed=str(odd.seed), name=Strong(name_of(odd.setting)), value=odd.value, **parts)]


def least(say: Say, comparison: Comparison) -> list[Sentence]:
    """How far settings must be apart to be told apart."""
    if comparison.ratio is None:
        return []
    kind = "by a factor of about" if comparison.log else "by about"
    text = f"Two settings must differ {kind} {{ratio}} to be told apart with these seeds"
    if comparison.within_ratio is not None and comparison.between_ratio is not None:
        text += f"; of one training's epochs {kind} {{within}}, of trainings apart {kind} {{between}}"
    parts: dict[str, Part] = {"within": comparison.within_ratio, "between": comparison.between_ratio}
    return [say("least", text + ".", muted=True, ratio=comparison.ratio, **parts)]


def ground(say: Say, comparison: Comparison) -> list[Sentence]:
    """How much values scatter, and what intervals and differences rest on."""
    spread = sorted((each.sd, name_of(each.setting)) for each in comparison.estimates if each.sd is not None)
    if not spread:
        return []
    scale, unit = (100, " %") if comparison.log else (1, "")
    text = "The ground: values scatter over seeds by {low}" + unit + " ({quiet}) to {high}" + unit + " ({noisy}). "
    text += "Intervals of single settings rest on their own seeds alone; differences are measured by {rule}. Both take "
    text += "scatter to be " + ("log-normal." if comparison.log else "normal, as not all values are above 0.")
    low, high = spread[0], spread[-1]
    parts: dict[str, Part] = {"low": scale * low[0], "high": scale * high[0], "quiet": low[1], "noisy": high[1]}
    return [say("ground", text, muted=True, rule=comparison.rule, **parts)]


def looks(say: Say, study: Study, ranking: Ranking, comparison: Comparison) -> list[Sentence]:
    """What this look may spend, and what looking early costs."""
    parts: dict[str, Part] = {
        "level": percent(comparison.level),
        "whole": percent(1 - LEVEL),
        "look": comparison.look,
    }
    parts["spent"] = percent(comparison.spent)
    if comparison.look == 1:
        text = (
            "This is the first look at this data set in this sweep: it may make a false claim in {level} % of studies. "
        )
        text += (
            "Looking early costs: every later look, with more seeds, has only what remains of {whole} % and must see "
        )
        text += "a larger difference. The same report given again is no new look."
    else:
        text = "This is look {look} at this data set in this sweep: earlier ones were chances of a false claim too, so "
        text += (
            "it may make one in {level} % of studies only, and all looks so far in {spent} % (of {whole} %). Whoever "
        )
        text += "looks less often needs a smaller difference."
    if all(look["runs"] != ranking.runs for look in study.looks):
        text += " It is not noted in the sweep directory, so that later reports will not count it."
    return [say("looks", text, muted=True, **parts)]


def halves(say: Say, study: Study, ranking: Ranking) -> list[Sentence]:
    """What choosing on one half of the reference does, and what it does not."""
    if ranking.halves:
        text = (
            "Chosen on half A of the reference images, reported on half B. That removes what the reference's noise and "
        )
        text += (
            "the choice of an epoch flatter; it does not remove the luck of a training seed, which both halves share."
        )
    else:
        text = "The same value chose and is reported: expect it to be a little too good."
    return [say("halves", text, muted=True)]


def percent(share: float) -> float:
    """A share in percent, without noise of rounding."""
    return round(100 * share, 6)


def names_of(names: Iterable[str]) -> str:
    """The first of many names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return "; ".join(every[:LISTED]) + more


def name_of(setting: object) -> str:
    """A setting for the eye."""
    return label(setting) if isinstance(setting, tuple) else str(setting)
