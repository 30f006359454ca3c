"""Several data sets in one verdict: the settings that were ranked on each of them, over their mean."""

from __future__ import annotations

from collections.abc import Sequence

from ganexp.report.collect import Setting, label
from ganexp.report.findings import Ranking, columns
from ganexp.report.sentence import Sentence, Strong
from ganexp.report.statistics import compare


def together(rankings: Sequence[Ranking]) -> list[Sentence]:
    """What all data sets say together; nothing where there is one alone, or no two settings that all of them have."""
    first = next((each for each in rankings if each.objective is not None), None)
    if first is None:
        return []
    parts = [each for each in rankings if (each.objective, each.direction) == (first.objective, first.direction)]
    names = [each.dataset for each in parts]
    shared = [each.setting for each in first.ranked if all(_ranked(each.setting, other) for other in parts)]
    if len(parts) < 2 or len(set(names)) < len(names) or len(shared) < 2:
        return []
    runs = [run for each in parts for s in each.ranked if s.setting in set(shared) for run in s.done]
    made = compare(
        *columns(runs, first.objective),
        direction=first.direction,
        looks=first.comparison.looks if first.comparison else (),
        blocks=[run.dataset for run in runs],
    )
    others = len(shared) - 1
    text = "Over {datasets} data sets together ({names}; each weighs the same, {settings} settings have them all) "
    if not made.claims:
        text += "no claim can be made: too few seeds. {name} comes first."
    elif made.single:
        text += "{name} is the best setting, better than each other one, family-wise at {level} %."
    else:
        text += "{name} comes first; {apart} of {others} others can be told from it, family-wise at {level} %."
    best = made.chosen
    return [
        Sentence(
            "together",
            text,
            {
                "datasets": len(parts),
                "names": ", ".join(names),
                "settings": len(shared),
                "name": Strong(label(best) if isinstance(best, tuple) else str(best)),
                "apart": len(made.told_apart),
                "others": others,
                "level": round(100 * made.level, 6),
            },
            lead=True,
        )
    ]


def _ranked(setting: Setting, ranking: Ranking) -> bool:
    return any(each.setting == setting for each in ranking.ranked)
