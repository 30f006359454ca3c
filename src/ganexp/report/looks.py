"""looks.json: each report that tests settings records in the sweep directory when it looked, and at what."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganexp.files import owned, status
from ganexp.files.atomic import write_json
from ganexp.files.contents import Looks, OneLook, check
from ganexp.files.foreign import MEDIUM, read_json, refuse_links
from ganexp.types.errors import DirectoryError

if TYPE_CHECKING:
    from ganexp.report.ranking import Ranking
    from ganexp.report.runs import RunRecord
    from ganexp.report.settings import Setting
    from ganexp.report.study import Study

log = logging.getLogger("ganexp")

FILE = "looks.json"
FORMAT = 1

LONGEST_NAME = 500  # characters of a setting's name in a recorded verdict


def read_looks(directories: Iterable[Path]) -> tuple[OneLook, ...]:
    """The looks recorded in sweep directories, by time, without repeats; a damaged file counts as empty."""
    looks: dict[str, OneLook] = {}
    for directory in directories:
        try:
            for look in _read(directory):
                looks.setdefault(look["runs"], look)
        except (OSError, ValueError) as error:
            log.warning("%s: the looks noted in it are not counted: %s", directory / FILE, _short(error))
    return tuple(sorted(looks.values(), key=lambda look: look["time"]))


def noted(looks: Iterable[OneLook]) -> set[str]:
    """What was looked at: the digests of rankings' runs (`Ranking.runs`)."""
    return {look["runs"] for look in looks}


def without_claims(ranking: Ranking) -> Ranking:
    """The same order and values, and nothing said of which can be told apart."""
    standings = tuple(replace(standing, together=None) for standing in ranking.standings)
    comparison = ranking.comparison and replace(ranking.comparison, claims=False)
    return replace(ranking, standings=standings, comparison=comparison, withheld=ranking.claims)


def record_looks(study: Study, rankings: Iterable[Ranking]) -> Study:
    """Record in every sweep directory that its settings were tested; returns the study with those looks."""
    tested = [ranking for ranking in rankings if ranking.claims]
    for sweep in study.sweeps:
        run_ids = {run.run_id for run in sweep.runs}
        _record(sweep.directory, [_look(ranking) for ranking in tested if run_ids & _run_ids(ranking)])
    return replace(study, looks=read_looks(sweep.directory for sweep in study.sweeps))


def _run_ids(ranking: Ranking) -> set[str]:
    return {run.run_id for standing in ranking.ranked for run in standing.done}


def _look(ranking: Ranking) -> OneLook:
    comparison, best = ranking.comparison, ranking.best
    assert comparison is not None and best is not None and ranking.objective is not None
    seeds = [estimate.seeds for estimate in comparison.estimates]
    words = "is the best" if comparison.single else f"comes first, {len(comparison.told_apart)} are worse"
    return {
        "time": status.now(),
        "dataset": ranking.dataset[:500],
        "objective": ranking.objective[:500],
        "protocol": ranking.protocol[:200],
        "runs": ranking.runs,
        "run_count": sum(seeds),
        "settings": len(seeds),
        "seeds": [min(seeds), max(seeds)],
        "level": comparison.level,
        "verdict": f"{best.name[:LONGEST_NAME]} {words}",
        "best": _mark(best.done[0]),
        "apart": sorted(_mark(each.done[0]) for each in ranking.ranked if each.setting in comparison.told_apart),
    }


def claims(
    looks: Iterable[OneLook], done: Mapping[Setting, Sequence[RunRecord]]
) -> Iterator[tuple[Setting, set[Setting]]]:
    """What looks claimed of settings with these finished runs: which was chosen, and which were worse."""
    settings = {_mark(run): setting for setting, runs in done.items() for run in runs}
    for look in looks:
        if look.get("best") in settings:
            yield settings[look["best"]], {settings[each] for each in look.get("apart", ()) if each in settings}


def _mark(run: RunRecord) -> str:
    """A few letters for a run, which stands for its setting, whose keys may become more."""
    return hashlib.blake2b(run.run_id.encode(), digest_size=6).hexdigest()


def _record(directory: Path, looks: Sequence[OneLook]) -> None:
    """Add looks to those of a sweep directory, each once; a damaged or unwritable file stays, with a warning."""
    try:
        refuse_links(directory / FILE)
        if not _new(looks, _read(directory)):
            return
        with owned.alone(directory):
            earlier = _read(directory)
            content = {"format": FORMAT, "looks": [*earlier, *_new(looks, earlier)]}
            check(Looks, content)
            write_json(directory / FILE, content)
    except (OSError, ValueError, DirectoryError) as error:
        log.warning("%s: this look could not be noted, later reports will not count it: %s", directory, _short(error))


def _new(looks: Iterable[OneLook], earlier: Iterable[OneLook]) -> list[OneLook]:
    runs = {look["runs"] for look in earlier}
    return [look for look in looks if look["runs"] not in runs]


def _read(directory: Path) -> list[OneLook]:
    try:
        content: Any = read_json(directory / FILE, MEDIUM)
    except FileNotFoundError:
        return []
    check(Looks, content)
    return list(content["looks"])


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
