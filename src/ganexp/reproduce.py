"""`ganexp reproduce report.html --setting 1 --seed 0`: train one run again from the page alone, and compare."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from annotated_types import Ge, MaxLen
from pydantic import StringConstraints
from typing_extensions import TypedDict

from ganexp.cli import Trust, reporting, start
from ganexp.types.endings import FAILED
from ganexp.types.errors import DirectoryError
from ganexp.types.terminal import plain, say

if TYPE_CHECKING:
    from ganexp.opened import Run

OUT = "Directory of the run; reproduced/<its id> if left out."
MORE = "Further overrides, e.g. dataset.root=data."


class PageRun(TypedDict):
    """What reproducing needs of a run in the page's data block, which may be a stranger's."""

    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    dataset: str
    seed: int
    state: str
    value: float | None
    objective: str | None
    overrides: Annotated[list[str], MaxLen(1000)]
    versions: dict[str, str]
    machine: dict[str, str | int | None]
    fingerprint: str | None


class PageSetting(TypedDict):
    """A row of its leaderboard."""

    rank: Annotated[int, Ge(1)] | None
    name: str
    runs: list[str]


def main(
    report: Annotated[Path, typer.Argument(help="The report's page.", metavar="REPORT.html")],
    more: Annotated[list[str] | None, typer.Argument(help=MORE, metavar="KEY=VALUE")] = None,
    setting: Annotated[int, typer.Option(min=1, help="Its rank in the leaderboard.")] = 1,
    seed: Annotated[int, typer.Option(help="Which of its seeds.")] = 0,
    dataset: Annotated[
        str | None, typer.Option(help="Of which data set's leaderboard, where there are several.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help=OUT)] = None,
    trust: Trust = None,
) -> None:
    """Train one run of a report again, from its page alone, and say whether the printed number comes out."""
    from ganexp.config.hydra_private import quoted
    from ganexp.session import train

    with reporting():
        run = page_run(report, setting, seed, dataset)
        place = out or Path("reproduced") / run["id"][:8]
        if (place / "result.json").exists():
            say(plain(f"{place} holds this run already: compared as it is; --out PLACE trains it elsewhere"))
        arguments = [*_overrides(run, more or []), f"hydra.run.dir={quoted(str(place.absolute()))}"]
        if trust:
            arguments.append(f"trust=[{','.join(trust)}]")
        lines, equal = compared(run, train(arguments))
        for line in lines:
            say(plain(line))
    raise SystemExit(0 if equal else FAILED)


def page_run(report: Path, rank: int, seed: int, dataset: str | None) -> PageRun:
    """The run of a setting and seed in a report's page.

    Raises:
        DirectoryError: no report of ganexp's, or no such run in it, or one that has no value.
    """
    from ganexp.files.contents import check
    from ganexp.files.foreign import LARGE, read_text
    from ganexp.report.verify import DATA

    try:
        found = DATA.search(read_text(report, LARGE))
        data: Any = json.loads(found[1]) if found else None
        chapters = [part for part in data["chapters"] if dataset in (None, part["dataset"], part["title"])]
        listed = list(data["runs"])
        settings = [setting for part in chapters for setting in part["settings"]]
        check(list[PageSetting], [{name: each[name] for name in PageSetting.__annotations__} for each in settings])
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DirectoryError(f"{report}: expected a report.html of ganexp, got something else ({error})") from None
    if len(chapters) != 1:
        names = "; ".join(str(part["title"]) for part in chapters) or "no such leaderboard"
        raise DirectoryError(f"{report}: expected one leaderboard (--dataset says which), got {names}")
    ids = [run_id for each in settings if each["rank"] == rank for run_id in each["runs"]]
    runs = [_checked(report, run) for run in listed if run.get("id") in ids]
    for run in runs:
        if run["seed"] == seed:
            if run["value"] is None:
                raise DirectoryError(f"{report}: expected a run with a value, got one that is {run['state']}")
            return run
    got = ", ".join(str(run["seed"]) for run in runs)
    raise DirectoryError(
        f"{report}: expected setting {rank} with seed {seed}, got " + (f"its seeds {got}" if got else "none")
    )


def _checked(report: Path, run: Mapping[str, Any]) -> PageRun:
    from ganexp.files.contents import check

    content = {name: run.get(name) for name in PageRun.__annotations__}
    try:
        check(PageRun, content)
    except ValueError as error:
        raise DirectoryError(f"{report}: expected runs as ganexp writes them, got something else ({error})") from None
    return content  # type: ignore[return-value]


def _overrides(run: PageRun, more: list[str]) -> list[str]:
    """The run's command line: what chooses its setting, its seed, and as many threads as it had."""
    from ganexp.report.best import safe_overrides

    threads = run["machine"].get("threads")
    able = run["machine"].get("device") == "cpu" and isinstance(threads, int) and 1 <= threads <= (os.cpu_count() or 1)
    typed = set(map(_key, more))
    kept = [text for text in safe_overrides(run["overrides"], root=False) if _key(text) not in typed]
    alike = (
        [f"trainer.threads={threads}"] if able and not any("trainer.threads" in text for text in (*kept, *more)) else []
    )
    return [*kept, f"seed={run['seed']}", *alike, *more]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+")


def compared(run: PageRun, again: Run) -> tuple[list[str], bool]:
    """What to say of the value as printed and as it came out, and whether they are equal."""
    from ganexp.report.text.sentence import readable

    result, name = again.result, run["objective"]
    if result is None:
        return [f"{again.directory}: {again.status.state}: no value came out: differs"], False
    here = result["final"].get(name)
    if here is None:
        return [f"{again.directory}: {name} was not measured: differs"], False
    printed = run["value"] or 0.0
    words = f"{name}: printed {readable(printed)}, here {readable(here)}".replace("\u202f", " ")
    if here == printed:
        return [f"{words}: equal, to the last digit ({here!r})"], True
    share = f", {100 * (here / printed - 1):+.2g} %" if printed else ""
    return [f"{words}: differs by {here - printed:+.3g}{share}", *_reasons(run, result)], False


def _reasons(run: PageRun, result: Mapping[str, Any]) -> Iterator[str]:
    """What was not the same; bits are promised for equal data, versions and machines."""
    there, here = run, result["provenance"]
    pairs: list[tuple[str, Any, Any]] = [("data", there["fingerprint"], (here.get("dataset") or {}).get("fingerprint"))]
    pairs += [(name, there["versions"].get(name), (here.get("versions") or {}).get(name)) for name in there["versions"]]
    pairs += [(name, value, here.get(name)) for name, value in there["machine"].items()]
    differing = [f"  {name}: there {old}, here {new}" for name, old, new in pairs if old is not None and old != new]
    yield from differing or ["  data, versions and machine are the same: a changed page, own code, or a fault"]


if __name__ == "__main__":
    start(main)
