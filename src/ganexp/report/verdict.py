"""The verdict in words: what may be claimed, on what ground, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from ganexp.report.collect import Study, label
from ganexp.report.findings import NOTHING, Ranking, mean, rankings
from ganexp.report.options import Options
from ganexp.report.remarks import Say, ground, halves, least, looks, mixed, name_of, names_of, outlier, percent
from ganexp.report.sentence import Code, Part, Sentence, Strong
from ganexp.report.statistics import MIN_SEEDS, Comparison, Difference, more_seeds, not_worse
from ganexp.report.together import together
from ganexp.report.wording import command, plural, readable

SEEDS_WORTH = 50
"""Seeds that one more claim may cost at most."""

SPOKEN = ("/level", "/winner", "/next", "/margin", "/mixed")
"""Keys of what a terminal says besides what leads."""

CONFIRM = Code("python -m ganexp.confirm SWEEP_DIR --top 3 --seeds 5")


def verdict(study: Study, ranking: Ranking, name: str, options: Options = NOTHING) -> list[Sentence]:
    """All sentences about one ranking, the most important one first; `name` begins the keys of their numbers."""

    def say(topic: str, text: str, *, lead: bool = False, muted: bool = False, **parts: Part) -> Sentence:
        return Sentence(f"{name}/{topic}", text, parts, lead, muted)

    best = ranking.best
    if ranking.objective is None:
        words = "Nothing was measured, so nothing is ranked: losses do not tell which images are better."
        return [say("lead", words, lead=True)]
    if best is None:
        words = "No setting can be ranked: none finished with all of its seeds intact."
        return [say("lead", words, lead=True)]
    comparison = ranking.comparison
    assert comparison is not None
    if len(ranking.ranked) == 1:
        words = "It is the only setting that can be ranked: there is nothing to compare it with."
        return [
            _level(say, ranking, "{name}"),
            say("alone", words),
            *halves(say, study, ranking),
            *mixed(say, ranking),
        ]
    if not ranking.claims:
        return [*_no_claim(say, study, ranking), *halves(say, study, ranking), *mixed(say, ranking)]
    return [
        *_against(say, ranking, comparison, options),
        *_standing(say, ranking, comparison),
        *_winner(say, study, ranking, comparison),
        *_next(say, study, ranking, comparison),
        *_margin(say, study, ranking, comparison, options),
        *mixed(say, ranking),
        *outlier(say, ranking, comparison),
        *least(say, comparison),
        *ground(say, comparison),
        *looks(say, study, ranking, comparison),
        *halves(say, study, ranking),
    ]


def spoken(study: Study, options: Options = NOTHING) -> list[str]:
    """What a terminal says: of each data set what is claimed, the winner's corrected value and what to do next."""
    parts = rankings(study, options)
    lines = [line.plain for line in together(parts)]
    for ranking in parts:
        shown = [x for x in verdict(study, ranking, "", options) if x.lead or x.key in SPOKEN]
        lines.append(f"{ranking.dataset}: " + " ".join(line.plain for line in shown))
    return lines


def _level(say: Say, ranking: Ranking, text: str, *, lead: bool = True) -> Sentence:
    best = ranking.best
    assert best is not None and best.estimate is not None
    e = best.estimate
    span = " (95 % interval {low} to {high})" if e.low is not None else ""
    return say(
        "lead" if lead else "level",
        text + ": {objective} {value}" + span + " over {seeds} " + plural(len(best.done), "seed") + ".",
        lead=lead,
        name=Strong(best.name),
        objective=ranking.objective,
        value=e.value,
        low=e.low,
        high=e.high,
        seeds=len(best.done),
    )


def _extreme(ranking: Ranking) -> str:
    return "{name} has the " + ("lowest" if ranking.direction == "minimise" else "highest") + " value"


def _no_claim(say: Say, study: Study, ranking: Ranking) -> list[Sentence]:
    lines = [
        say("lead", "No setting can be claimed to be the best.", lead=True),
        _level(say, ranking, _extreme(ranking), lead=False),
    ]
    if min(len(each.done) for each in ranking.ranked) >= MIN_SEEDS:
        return [*lines, say("few", "Values do not differ between seeds: there is no noise to judge differences by.")]
    text = "With fewer than {least} seeds a setting, nothing tells a better setting from a luckier seed."
    more = "" if study.table or study.searched else " {code} in the same command adds seeds; finished runs are kept."
    return [*lines, say("few", text + more, least=MIN_SEEDS, code=Code("seed=range(5)"))]


def _against(say: Say, ranking: Ranking, comparison: Comparison, options: Options) -> list[Sentence]:
    if not options.baseline:
        return []
    if ranking.baseline is None:
        text = "The baseline {baseline} is not ranked here, so nothing is compared with it."
        return [say("baseline", text, lead=True, baseline=Strong(options.baseline))]
    base = label(ranking.baseline)
    better = [each for each in comparison.against if each.better]
    worse = [each for each in comparison.against if each.worse]
    text = "{better} of {others} beat it, the baseline {baseline}" + (": {names}." if better else ".")
    text += " {worse} " + ("is" if len(worse) == 1 else "are") + " worse, and {rest} cannot be told from it"
    text += ", two-sided, family-wise at {level} %."
    return [
        say(
            "baseline",
            text,
            lead=True,
            baseline=Strong(base),
            better=len(better),
            others=len(comparison.against),
            names=_ratios(better, comparison),
            worse=len(worse),
            rest=len(comparison.against) - len(better) - len(worse),
            level=percent(comparison.level),
        )
    ]


def _standing(say: Say, ranking: Ranking, comparison: Comparison) -> list[Sentence]:
    others, together = len(ranking.ranked) - 1, ranking.together
    parts: dict[str, Part] = {"others": others, "level": percent(comparison.level), "together": len(together)}
    if comparison.single:
        text = "It is better than {others} other ranked " + plural(others, "setting") + ", each of them"
        text += ", family-wise at {level} %."
        return [_level(say, ranking, "{name} is the best setting"), say("others", text, **parts)]
    first = _level(say, ranking, _extreme(ranking))
    if len(together) == others:
        text = "None of the other {others} ranked " + plural(others, "setting")
        return [first, say("others", text + " can be told from it, family-wise at {level} %.", **parts)]
    text = "{together} of {others} others cannot be told from it, family-wise at {level} %: {names}. The rest is worse."
    return [first, say("others", text, names=names_of(each.name for each in together), **parts)]


def _winner(say: Say, study: Study, ranking: Ranking, comparison: Comparison) -> list[Sentence]:
    winner = comparison.winner
    if winner is None:
        return []
    text = (
        "Whoever comes first among {settings} settings was partly lucky: with that luck taken off, its {objective} is "
        "{corrected} (95 % interval {low} to {high}) beside the plain mean of {plain}; "
    )
    if study.table:
        text += "seeds that had no part in the choice measure it without luck, as {confirm} does for sweeps."
    else:
        text += "{confirm} measures it on seeds that had no part in the choice."
    return [
        say(
            "winner",
            text,
            settings=len(ranking.ranked),
            objective=ranking.objective,
            corrected=winner.value,
            low=winner.low,
            high=winner.high,
            plain=winner.plain,
            confirm=Code("python -m ganexp.confirm") if study.table else CONFIRM,
        )
    ]


def luck(ranking: Ranking) -> str:
    """The winner's corrected value after its plain mean; "" where none can be had."""
    winner = ranking.comparison.winner if ranking.comparison is not None else None
    if winner is None:
        return ""
    low, value, high = (readable(each).replace("\u202f", " ") for each in (winner.low, winner.value, winner.high))
    text = f"; with the luck of having been picked taken off {value} (95 % interval {low} to {high})"
    return text + ": python -m ganexp.confirm measures it on new seeds"


def _next(say: Say, study: Study, ranking: Ranking, comparison: Comparison) -> list[Sentence]:
    """How many more seeds would tell the first two apart."""
    first = comparison.differences[0]
    if comparison.single or first.worse:
        return []
    needed = more_seeds(comparison, SEEDS_WORTH)
    both: dict[str, Part] = {"first": name_of(comparison.chosen), "second": name_of(first.setting)}
    if needed is None:
        text = "Over {limit} seeds would be needed to tell {first} from {second}: not worth it."
        return [say("next", text, limit=SEEDS_WORTH, **both)]
    pair = [each for each in ranking.ranked if each.setting in (comparison.chosen, first.setting)]
    present = min(len(each.done) for each in pair)
    begin = max(run.seed for each in ranking.ranked for run in each.runs) + 1
    seeds = f"seed=range({begin},{begin + needed - present})"
    text = "{needed} seeds of each setting, {more} more, would tell {first} from {second} in half of 400 simulated "
    text += "continuations" + (": seeds {seeds}." if study.table or study.searched else ": {code}.")
    spelled = f"{begin} to {begin + needed - present - 1}"
    line = Code(_again(study, ranking, seeds))
    return [say("next", text, needed=needed, more=needed - present, seeds=spelled, code=line, **both)]


def _again(study: Study, ranking: Ranking, seeds: str) -> str:
    """The command that asked for the best setting, with other seeds; the seeds alone where no plan tells it."""
    lead = ranking.best.lead.run_id if ranking.best else ""
    commands = [r.command for sweep in study.sweeps if not sweep.search for r in sweep.requests if lead in r.run_ids]
    if not commands:
        return seeds
    return command(["--multirun", *(text for text in commands[0] if not text.startswith("seed=")), seeds])


def _margin(say: Say, study: Study, ranking: Ranking, comparison: Comparison, options: Options) -> list[Sentence]:
    if options.margin is None:
        return []
    if options.percent and not comparison.log:
        return [
            say("margin", "A margin in percent needs values that are all above 0; give one in the objective's unit.")
        ]
    scale, unit = (100, " %") if comparison.log else (1, "")
    able = set(not_worse(comparison, options.margin))
    shown = [each for each in ranking.ranked if each.setting in able]
    parts: dict[str, Part] = {"margin": round(scale * options.margin, 6), "level": percent(comparison.level)}
    if not shown:
        text = "No setting is shown to be as good as the best within {margin}" + unit + ", family-wise at {level} %"
        return [say("margin", text + ": more seeds or a wider margin may show one.", **parts)]
    text = "As good as the best within {margin}" + unit + ", family-wise at {level} %: {names}."
    parts["names"] = names_of(each.name for each in shown)
    costs = {each.setting: mean(run.seconds for run in each.done) or 0.0 for each in ranking.ranked}
    cheap = min(shown, key=lambda each: costs[each.setting])
    slow = costs[ranking.ranked[0].setting]
    if len(shown) > 1 and 0 < costs[cheap.setting] < slow:
        text += " The cheapest of them is {cheap}: as good within {margin}" + unit + ", and {faster} times faster."
        parts |= {"cheap": Strong(cheap.name), "faster": slow / costs[cheap.setting]}
    return [say("margin", text, **parts)]


def _ratios(differences: Sequence[Difference], comparison: Comparison) -> str:
    sign = "times" if comparison.log else "more"
    return names_of(f"{name_of(d.setting)} ({d.ratio:.3g} {sign}, {d.low:.3g} to {d.high:.3g})" for d in differences)
