"""How `ganexp status` shows the runs of a sweep: counts, a bar and the time left, and one line a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text

from ganexp.files.lease import STALE_SECONDS
from ganexp.report.states import RunProgress, seconds_left
from ganexp.types.endings import State
from ganexp.types.tables import one_line
from ganexp.types.terminal import columns, console, count, duration, last_line, plain, say

# What needs attention comes first.
ORDER = (
    *(State.RUNNING, State.STALE, State.FAILED, State.DIVERGED, State.INTERRUPTED),
    *(State.PENDING, State.PRUNED, State.COMPLETED),
)

STYLES = {
    State.RUNNING: "cyan",
    State.STALE: "magenta",
    State.FAILED: "bold red",
    State.DIVERGED: "red",
    State.INTERRUPTED: "yellow",
    State.COMPLETED: "green",
}

HEADINGS = ("run", "setting", "state", "epoch", "heartbeat", "images/s", "left", "score", "error")
SPARE = ("heartbeat", "images/s", "score", "run")  # columns that a narrow terminal does without, in this order
BAR = 30  # characters of the bar, at most


def screen(directory: Path, runs: Sequence[RunProgress], width: int, height: int) -> Text:
    """What `--watch` shows on a terminal: counts, bar and time left, then a line for each run, as far as there is room.

    A line is left at the bottom for what the shell prints next, so that the top stays in sight.
    """
    top = [_cut(line, width) for line in (*_counts(directory, runs, width), _bar(runs, width))]
    room = max(0, height - len(top) - 2)
    ordered = sorted(runs, key=lambda run: ORDER.index(run.state))
    hidden = 0 if len(ordered) < room else len(ordered) - max(0, room - 2)
    shown = ordered[: len(ordered) - hidden] if hidden else ordered
    text = Text("\n".join(top))
    for run, line in zip((None, *shown), _lines(shown, width, whole=False) if shown else [""], strict=True):
        text.append(f"\n{line}", "bold" if run is None else STYLES.get(run.state, ""))
    return text.append(_cut(f"\n... and {hidden} more", width + 1)) if hidden and room > 1 else text


def show(directory: Path, runs: Sequence[RunProgress]) -> None:
    """Print a line for each run, then the summary."""
    ordered = sorted(runs, key=lambda run: ORDER.index(run.state))
    print("\n".join(_lines(ordered, console().width, whole=True)))
    say(summary(directory, runs))


def summary(directory: Path, runs: Sequence[RunProgress]) -> str:
    """How many runs are in which state, and the time left."""
    return f"{plain(directory)}: {counted(runs)}"


def counted(runs: Sequence[RunProgress]) -> str:
    """How many runs are in which state, and the time left, without the directory."""
    remaining = seconds_left(runs)
    time_left = "" if remaining is None else f"; about {duration(remaining)} left"
    return f"{count(len(runs), 'run')}: {_states(runs)}{time_left}"


def _states(runs: Sequence[RunProgress]) -> str:
    counts = Counter(run.state for run in runs)
    return ", ".join(f"{counts[each]} {each}" for each in ORDER if counts[each])


def _counts(directory: Path, runs: Sequence[RunProgress], width: int) -> list[str]:
    """Directory and states, on one line where there is room; of a long path the end is shown."""
    head, states = f"{plain(directory)}: {count(len(runs), 'run')}", _states(runs)
    if len(head) + len(states) + 2 <= width:
        return [f"{head}: {states}"]
    return [head if len(head) <= width else f"…{head[len(head) - width + 1 :]}", states]


def _bar(runs: Sequence[RunProgress], width: int) -> str:
    """Epochs done of all trainings together, and the time left."""
    epochs: dict[str, tuple[int, int]] = {}
    for number, run in enumerate(runs):
        key = run.trajectory_id or str(number)
        done, most = epochs.get(key, (0, 0))
        epochs[key] = max(done, min(run.done, run.epochs)), max(most, run.epochs)
    done, most = (sum(each) for each in zip(*epochs.values(), strict=True)) if epochs else (0, 0)
    share, remaining = done / most if most else 1.0, seconds_left(runs)
    tail = f" {100 * share:.0f} % of {count(most, 'epoch')}"
    tail += "" if remaining is None else f", about {duration(remaining)} left"
    size = max(0, min(BAR, width - len(tail) - 2))
    return f"[{'#' * round(share * size):-<{size}}]{tail}" if size >= 5 else tail.strip()


def _lines(runs: Sequence[RunProgress], width: int, *, whole: bool) -> list[str]:
    """Headings, and one line for each run, with fewer columns where there is no room.

    Where even those are too wide, settings are cut, with the run's own name beside them; `whole`: nothing is cut, and
    an error that does not fit has a line below.
    """
    cells = [dict(zip(HEADINGS, map(one_line, _cells(run)), strict=True)) for run in runs]
    errors = ["", *(row.pop("error") for row in cells)]
    names = [name for name in HEADINGS if any(row.get(name) for row in cells)]
    for dropped in range(len(SPARE) + 1):
        kept = [name for name in names if name not in SPARE[:dropped]]
        lines = list(columns([kept, *([row[name] for name in kept] for row in cells)]))
        if max(map(len, lines)) <= width:
            break
    else:
        if not whole:
            lines = _narrow(cells, [name for name in names if name not in SPARE[:-1]], width)
    if whole:
        return [_with_error(line, error, width) for line, error in zip(lines, errors, strict=True)]
    return [_cut(f"{line}  {error}".rstrip(), width) for line, error in zip(lines, errors, strict=True)]


def _narrow(cells: Sequence[Mapping[str, str]], names: Sequence[str], width: int) -> list[str]:
    others = sum(max(len(name), *(len(row[name]) for row in cells)) + 2 for name in names if name != "setting")
    most = max(len("setting"), width - others)
    cut = [[_cut(row[name], most) if name == "setting" else row[name] for name in names] for row in cells]
    return list(columns([names, *cut]))


def _with_error(line: str, error: str, width: int) -> str:
    return line if not error else f"{line}  {error}" if len(line) + len(error) + 2 <= width else f"{line}\n    {error}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def _cells(run: RunProgress) -> tuple[str, ...]:
    running = run.state in (State.RUNNING, State.STALE) and run.status is not None
    age = ("in the future" if run.age < -STALE_SECONDS else duration(max(0.0, run.age))) if running else ""
    speed, remaining = run.number("images_per_second"), run.seconds_left
    status = run.status
    doing = status.doing if status is not None and run.state is State.RUNNING else ""
    note = "; ".join(filter(None, (doing, status.trouble, status.note))) if status is not None else ""
    error = run.status.error if run.status is not None and run.state is not State.COMPLETED else None
    return (
        run.name.rpartition("-")[2] if run.setting else run.name,
        run.setting,
        run.state.value,
        f"{run.done}/{run.epochs}",
        age,
        "" if speed is None else f"{speed:,.0f}",
        "" if remaining is None else duration(remaining),
        run.score,
        note if not error else f"{error.get('type')}: {last_line(error.get('message', ''))}",
    )
