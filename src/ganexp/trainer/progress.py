"""Progress of a run: a bar on a terminal, plain lines elsewhere, nothing in a parallel sweep."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TextIO

from ganexp.types.terminal import duration, plain

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

LINE_SECONDS = 10.0  # between two plain lines, at least, but for the first and the last epoch

REDRAW_SECONDS = 0.5  # between two redraws of the bar, at least: a redraw can take longer than a training step

BAR_COLUMNS = 80  # narrower terminals show the numbers without the bar

_NEVER = math.inf


def estimate_line(
    parameters_g: int, parameters_d: int, images: int, steps: int, seconds: float | None, memory: str = ""
) -> str:
    """The line before training: what is trained on what, how long it will take, and the `memory` it needs, in words.

    `steps` are the generator steps still to do; `seconds` estimates their time (None: no estimate yet).
    """
    time_left = "time not known yet" if seconds is None else f"about {duration(seconds)}"
    time_left += f", {memory}" if memory and seconds is not None else ""
    networks = f"generator {parameters_g:,} parameters, discriminator {parameters_d:,}"
    return f"{networks}; {images:,} images, {steps:,} steps, {time_left}"


class Progress:
    """Shows a run's progress; a context manager whose end closes the display.

    Args:
        images_per_step: real images drawn per generator step, on average: for the speed in images per second.
        enabled: "auto" is a bar on a terminal and plain lines elsewhere; "plain" is always lines; "off" is silence.
        columns: columns of an epoch's row to show, as far as they are filled.
        stream: where to write; None for standard output.
        clock: seconds, monotonic.

    Raises:
        ValueError: `enabled` is none of the three.
    """

    def __init__(
        self,
        *,
        total_steps: int,
        epochs: int,
        images_per_step: float,
        enabled: Literal["auto", "plain", "off"] = "auto",
        columns: Sequence[str] = ("d_loss", "g_loss"),
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if enabled not in ("auto", "plain", "off"):
            raise ValueError(f"progress: expected auto, plain or off, got {enabled!r}")
        self._total_steps, self._epochs, self._images_per_step = total_steps, epochs, images_per_step
        self._enabled, self._columns, self._clock = enabled, tuple(columns), clock
        self._stream = sys.stdout if stream is None else stream
        self._bar: RichProgress | None = None
        self._next_draw = _NEVER
        self._next_line = -_NEVER
        self._step = self._first_step = 0
        self._epoch = 0
        self._began = 0.0
        self._rate: float | None = None
        self._last: tuple[float, float] | None = None
        self._losses = ""
        self._unsaid = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, message: str, steps_done: int = 0, epochs_done: int = 0) -> None:
        """Print `message`, one line, and start the clock.

        Steps and epochs of a former attempt count as done, not as speed.
        """
        self._step = self._first_step = steps_done
        self._epoch = epochs_done
        self._last = (0.0, 0.0) if steps_done == 0 else None
        self._began = self._clock()
        self.note(message)
        if self._enabled == "auto" and self._bar is None:
            self._bar = _bar(self._stream, self._epochs)
        if self._bar is not None:
            self._bar.add_task("", total=self._total_steps, completed=steps_done, text="", tail="")
            self._draw()  # nothing shows before the start
            self._bar.start()

    def step(self, step: int) -> None:
        """Note that `step` generator steps are done; redraws the bar at most twice a second."""
        self._step = step
        if self._next_draw is not _NEVER and self._clock() >= self._next_draw:
            self._draw()

    def epoch(self, row: Mapping[str, float | None]) -> None:
        """Show the row of metrics.csv of an epoch that ended."""
        self._epoch, self._step = int(row["epoch"] or 0), int(row["step"] or 0)
        self._measure(row.get("images_seen"), row.get("train_seconds"))
        shown = ((column, row.get(column)) for column in self._columns)
        self._losses = "  ".join(f"{column} {value:.4g}" for column, value in shown if value is not None)
        if self._bar is not None:
            self._draw()
        elif self._enabled != "off":
            self._say_epoch()

    def note(self, text: str) -> None:
        """Print one line, above the bar where there is one."""
        text = plain(text)
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        elif self._enabled != "off":
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Print the last epoch if it was left out, and end the bar. May be called twice."""
        if self._unsaid:
            self.note(self._unsaid)
            self._unsaid = ""
        if self._bar is not None:
            self._draw()
            self._bar.stop()
            self._bar = None
            self._enabled = "plain"
        self._next_draw = _NEVER

    def _measure(self, images: float | None, seconds: float | None) -> None:
        if images is None or seconds is None:
            return
        if self._last is not None and seconds > self._last[1]:
            self._rate = (images - self._last[0]) / (seconds - self._last[1])
        self._last = (images, seconds)

    def _say_epoch(self) -> None:
        now = self._clock()
        self._unsaid = f"epoch {self._epoch}/{self._epochs}  {self._losses}  {self._tail()}"
        if now >= self._next_line or self._step >= self._total_steps:
            self.note(self._unsaid)
            self._unsaid = ""
            self._next_line = now + LINE_SECONDS

    def _tail(self) -> str:
        done, elapsed = self._step - self._first_step, self._clock() - self._began
        if done <= 0 or elapsed <= 0:
            return ""
        rate = self._rate if self._rate is not None else done * self._images_per_step / elapsed
        steps = self._total_steps - self._step
        time_text = f"{duration(steps * elapsed / done)} left" if steps > 0 else f"took {duration(elapsed)}"
        return f"{rate:,.0f} images/s  {time_text}"

    def _draw(self) -> None:
        assert self._bar is not None
        epoch = min(self._epochs, self._epoch + (self._step < self._total_steps))
        text = f"epoch {epoch}/{self._epochs}"
        tail = f"{self._losses}  {self._tail()}".strip()
        self._bar.update(self._bar.task_ids[-1], completed=self._step, text=text, tail=tail)
        self._bar.refresh()
        self._next_draw = self._clock() + REDRAW_SECONDS


def _bar(stream: TextIO, epochs: int) -> RichProgress | None:
    """A rich bar, drawn on request only; None where `stream` is no terminal that can show one."""
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column

    console = Console(file=stream)
    if not console.is_terminal or console.is_dumb_terminal:
        return None
    epoch = Column(no_wrap=True, min_width=len(f"epoch {epochs}/{epochs}"))
    bar: list[ProgressColumn] = [BarColumn(bar_width=20), TaskProgressColumn()]
    return RichProgress(
        TextColumn("{task.fields[text]}", markup=False, table_column=epoch),
        *(bar if console.width >= BAR_COLUMNS else []),
        TextColumn("{task.fields[tail]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=console,
        auto_refresh=False,
    )
