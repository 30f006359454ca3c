"""The verdict in words: what may be claimed, on what evidence, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from ganexp.metrics import words
from ganexp.report.ranking import Ranking, Standing, title
from ganexp.report.settings import NO_OPTIONS, VerdictOptions, label
from ganexp.report.statistics.compare import MIN_SEEDS, not_worse
from ganexp.report.statistics.comparison import Comparison, Difference
from ganexp.report.statistics.means import mean
from ganexp.report.statistics.thresholds import more_seeds
from ganexp.report.study import Study
from ganexp.report.text import remarks
from ganexp.report.text.sentence import Code, Sentence, Strong, command, name_of, names_of, percent, readable
from ganexp.types.terminal import plural

SEEDS_WORTH = 50  # seeds that one more claim may cost at most
SPOKEN = (
    "/level",
    "/left",
    "/winner",
    "/next",
    "/margin",
    "/mixed",
    "/marked",
)  # keys of what a terminal says besides what leads

CONFIRM = "python -m ganexp.confirm"


def verdict(study: Study, ranking: Ranking, name: str, options: VerdictOptions = NO_OPTIONS) -> list[Sentence]:
    """All sentences about one ranking, the most important one first; `name` begins the keys of their numbers."""
    comparison = ranking.comparison
    if ranking.objective is None:
        words = "Nothing was measured, so nothing is ranked: losses do not tell which images are better."
        sentences = [Sentence.leading("lead", words)]
    elif comparison is None:
        words = "No setting can be ranked: none finished with all of its seeds intact."
        sentences = [Sentence.leading("lead", words)]
    elif len(ranking.ranked) == 1:
        words = "It is the only setting that can be ranked: there is nothing to compare it with."
        sentences = [_level(ranking, "{name}"), Sentence("alone", words)]
        sentences += [*remarks.halves(ranking), *remarks.mixed(ranking)]
    elif not ranking.claims:
        sentences = [*_no_claim(study, ranking), *remarks.halves(ranking), *remarks.mixed(ranking)]
    else:
        sentences = [
            *_against_baseline(ranking, comparison, options),
            *_standing(ranking, comparison),
            *_winner(study, ranking, comparison),
            *_next(study, ranking, comparison),
            *_margin(ranking, comparison, options),
            *remarks.mixed(ranking),
            *remarks.outlier(ranking, comparison),
            *remarks.least(comparison),
            *remarks.ground(comparison),
            *remarks.looks(study, ranking, comparison),
            *remarks.halves(ranking),
        ]
    return [sentence.below(name) for sentence in (*_all_bad(ranking), *sentences, *remarks.marked(ranking))]


def terminal_verdict(study: Study, rankings: Sequence[Ranking], options: VerdictOptions = NO_OPTIONS) -> list[str]:
    """Lines for a terminal: each data set's claim, the winner's corrected value and what to do next."""
    lines = [sentence.plain for sentence in (*remarks.together(rankings), *remarks.older_protocols(study))]
    for ranking in rankings:
        sentences = [s for s in verdict(study, ranking, "", options) if s.lead or s.key in SPOKEN]
        lines.append(f"{title(ranking, rankings)}: " + " ".join(sentence.plain for sentence in sentences))
    return lines


def luck(ranking: Ranking) -> str:
    """The winner's corrected value after its plain mean; "" where there is none."""
    winner = ranking.comparison.winner if ranking.comparison is not None else None
    if winner is None:
        return ""
    low, value, high = (readable(number).replace("\u202f", " ") for number in (winner.low, winner.value, winner.high))
    text = f"; with the luck of having been picked taken off {value} (95 % interval {low} to {high})"
    return f"{text}: {CONFIRM} measures it on new seeds"


def _level(ranking: Ranking, text: str, *, lead: bool = True) -> Sentence:
    best = ranking.best
    assert best is not None and best.estimate is not None
    seeds, interval = len(best.done), {"low": best.estimate.low, "high": best.estimate.high}
    text += ": {objective} {value}" + (" (95 % interval {low} to {high})" if interval["low"] is not None else "")
    text += " over {seeds} " + plural(seeds, "seed")
    text += f": {said}." if (said := best.word(ranking.objective)) else "."
    make, key = (Sentence.leading, "lead") if lead else (Sentence.of, "level")
    numbers = {"value": best.estimate.value, "seeds": seeds, **interval}
    return make(key, text, name=Strong(best.name), objective=ranking.objective, **numbers)


def _all_bad(ranking: Ranking) -> list[Sentence]:
    """What to read before any praise, where no setting gives images worth choosing between."""
    said = remarks.bad_words(ranking)
    if not said:
        return []
    noise, settings = said.count(words.NOISE), len(said)
    if noise not in (0, settings):
        text = "None of the {settings} settings gives images worth choosing: {noise} give " + words.NOISE
        text += f", {{collapsed}} {words.COLLAPSED}; their order says little."
    elif settings > 1:
        text = f"All {{settings}} settings give {said[0]}: none is worth choosing, and their order says little."
    else:
        text = f"Its images are {said[0]}."
    return [Sentence.leading("bad", text, settings=settings, noise=noise, collapsed=settings - noise)]


def _extreme(ranking: Ranking) -> str:
    return "{name} has the " + ("lowest" if ranking.direction == "minimise" else "highest") + " value"


def _no_claim(study: Study, ranking: Ranking) -> list[Sentence]:
    lead = Sentence.leading("lead", "No setting can be claimed to be the best.")
    level = _level(ranking, _extreme(ranking), lead=False)
    if ranking.withheld:
        lead = Sentence.leading("lead", "No setting is claimed to be the best here.")
        text = "{code} says whether that is more than luck; each such look costs a part of the error rate."
        return [lead, level, Sentence.of("few", text, code=Code("ganexp report"))]
    if min(len(standing.done) for standing in ranking.ranked) >= MIN_SEEDS:
        text = "Values do not differ between seeds: there is no noise to judge differences by."
        return [lead, level, Sentence("few", text)]
    text = "With fewer than {least} seeds a setting, nothing tells a better setting from a luckier seed."
    if not (study.table or study.searched):
        text += " {code} in the same command adds seeds; finished runs are kept."
    return [lead, level, Sentence.of("few", text, least=MIN_SEEDS, code=Code("seed=range(5)"))]


def _against_baseline(ranking: Ranking, comparison: Comparison, options: VerdictOptions) -> list[Sentence]:
    if not options.baseline:
        return []
    if ranking.baseline is None:
        text = "The baseline {baseline} is not ranked here, so nothing is compared with it."
        return [Sentence.leading("baseline", text, baseline=Strong(options.baseline))]
    others = len(comparison.against)
    better = [difference for difference in comparison.against if difference.better]
    worse = sum(difference.worse for difference in comparison.against)
    text = "{better} of {others} beat it, the baseline {baseline}" + (": {names}." if better else ".")
    text += " {worse} " + plural(worse, "is", "are") + " worse, and {rest} cannot be told from it"
    text += ", two-sided, family-wise at {level} %."
    counts = {"better": len(better), "others": others, "worse": worse, "rest": others - len(better) - worse}
    names, level = _ratios(better, comparison), percent(comparison.level)
    base = Strong(label(ranking.baseline))
    return [Sentence.leading("baseline", text, baseline=base, names=names, level=level, **counts)]


def _ratios(differences: Sequence[Difference], comparison: Comparison) -> str:
    sign = "times" if comparison.log else "more"
    return names_of(f"{name_of(d.setting)} ({d.ratio:.3g} {sign}, {d.low:.3g} to {d.high:.3g})" for d in differences)


def _standing(ranking: Ranking, comparison: Comparison) -> list[Sentence]:
    others, alike = len(ranking.ranked) - 1, [standing.name for standing in ranking.together]
    settings = f"ranked {plural(others, 'setting')}"
    if comparison.single:
        first = "{name} is the best "
        first += f"of the {others + 1} settings that are compared" if ranking.left_behind else "setting"
        each = "the {others} other " if others == 1 else "each of the {others} other "
        text = "It is better than " + each + settings + ", family-wise at {level} %."
    elif len(alike) == others:
        first = _extreme(ranking)
        none = "The {others} other" if others == 1 else "None of the other {others}"
        cannot = "cannot" if others == 1 else "can"
        text = f"{none} " + settings + f" {cannot} be told from it, family-wise at {{level}} %."
    else:
        first = _extreme(ranking)
        text = "{together} of {others} others cannot be told from it, family-wise at {level} %: {names}. "
        text += "The rest is worse."
    parts = {"others": others, "level": percent(comparison.level), "together": len(alike)}
    sentences = [_level(ranking, first), Sentence.of("others", text, names=names_of(alike), **parts)]
    return [*sentences, *remarks.left_behind(ranking, comparison)]


def _winner(study: Study, ranking: Ranking, comparison: Comparison) -> list[Sentence]:
    winner = comparison.winner
    if winner is None:
        return []
    text = "Whoever comes first among {settings} settings was partly lucky: with that luck taken off, its {objective} "
    text += "is {corrected} (95 % interval {low} to {high}) beside the plain mean of {plain}; "
    if study.table:
        text += "seeds that had no part in the choice measure it without luck, as {confirm} does for sweeps."
    else:
        text += "{confirm} measures it on seeds that had no part in the choice."
    code = Code(CONFIRM if study.table else f"{CONFIRM} SWEEP_DIR --top 3 --seeds 5")
    numbers = {"corrected": winner.value, "low": winner.low, "high": winner.high, "plain": winner.plain}
    settings, objective = comparison.family, ranking.objective
    return [Sentence.of("winner", text, settings=settings, objective=objective, confirm=code, **numbers)]


def _next(study: Study, ranking: Ranking, comparison: Comparison) -> list[Sentence]:
    second = comparison.differences[0]
    if comparison.single or second.setting in comparison.told_apart:
        return []
    both = {"first": name_of(comparison.chosen), "second": name_of(second.setting)}
    needed = more_seeds(comparison, SEEDS_WORTH)
    if needed is None:
        text = "Over {limit} seeds would be needed to tell {first} from {second}: not worth it."
        return [Sentence.of("next", text, limit=SEEDS_WORTH, **both)]
    pair = [standing for standing in ranking.ranked if standing.setting in (comparison.chosen, second.setting)]
    more = needed - min(len(standing.done) for standing in pair)
    begin = max(run.seed for standing in ranking.ranked for run in standing.runs) + 1
    text = "{needed} seeds of each setting, {more} more, would tell {first} from {second} in half of 400 simulated "
    text += "continuations" + (": seeds {seeds}." if study.table or study.searched else ": {code}.")
    code = Code(_again(study, pair, f"seed=range({begin},{begin + more})"))
    seeds = f"{begin} to {begin + more - 1}"
    return [Sentence.of("next", text, needed=needed, more=more, seeds=seeds, code=code, **both)]


def _again(study: Study, settings: Sequence[Standing], seeds: str) -> str:
    """The command that requested these settings, with other seeds; the seeds alone where no command has all of them."""
    leads = {standing.lead.run_id for standing in settings}
    requests = [request for sweep in study.sweeps if not sweep.search for request in sweep.requests]
    commands = [request.command for request in requests if leads <= set(request.run_ids)]
    if not commands:
        return seeds
    left = ("seed=", "+seed=", "++seed=", "sweep.until=", "sweep.max_runs=")
    return command(["--multirun", *(text for text in commands[0] if not text.startswith(left)), seeds])


def _margin(ranking: Ranking, comparison: Comparison, options: VerdictOptions) -> list[Sentence]:
    if options.margin is None:
        return []
    if options.percent and not comparison.log:
        text = "A margin in percent needs values that are all above 0; give one in the objective's unit."
        return [Sentence("margin", text)]
    scale, unit = (100, " %") if comparison.log else (1, "")
    able = not_worse(comparison, options.margin)
    good = [standing for standing in ranking.ranked if standing.setting in able]
    parts = {"margin": round(scale * options.margin, 6), "level": percent(comparison.level)}
    if not good:
        text = "No setting is shown to be as good as the best within {margin}" + unit + ", family-wise at {level} %"
        return [Sentence.of("margin", text + ": more seeds or a wider margin may show one.", **parts)]
    text = "As good as the best within {margin}" + unit + ", family-wise at {level} %: {names}."
    names = names_of(standing.name for standing in good)
    costs = {standing.setting: mean(run.seconds for run in standing.done) or 0.0 for standing in ranking.ranked}
    cheap = min(good, key=lambda standing: costs[standing.setting])
    cost, slow = costs[cheap.setting], costs[ranking.ranked[0].setting]
    if not (len(good) > 1 and 0 < cost < slow):
        return [Sentence.of("margin", text, names=names, **parts)]
    text += " The cheapest of them is {cheap}: as good within {margin}" + unit + ", and {faster} times faster."
    return [Sentence.of("margin", text, names=names, cheap=Strong(cheap.name), faster=slow / cost, **parts)]
