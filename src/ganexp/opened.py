"""Runs and sweeps on disk as Python objects, which notebooks show: read from their files each time, calling nothing."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganexp.files.foreign import MEDIUM, SMALL, read_bytes
from ganexp.files.run_folder import RunFolder, number_in
from ganexp.types.errors import DirectoryError
from ganexp.types.terminal import plain

if TYPE_CHECKING:
    import pandas as pd

    from ganexp.files.status import Status
    from ganexp.report.ranking import Ranking
    from ganexp.report.statistics.comparison import Comparison

LARGEST_PICTURE = 2 * SMALL  # bytes of a picture that is shown inside a notebook; else its path is
LARGEST_REPORT = MEDIUM  # bytes, likewise
MOST_ROWS = 50  # of a table that is shown


@dataclass(frozen=True)
class Run:
    """A run directory. Pictures, losses and the value are shown where a notebook's cell ends with it."""

    directory: Path

    @property
    def status(self) -> Status:
        """status.json as it is now: `state` ("COMPLETED", "FAILED", "STALE", ...), `epoch`, `epochs`, `error`, ...

        Raises:
            DirectoryError: this is no run directory.
        """
        status = self._folder.current()
        if status is None:
            raise DirectoryError(f"{self.directory}: expected a run directory, found no readable status.json in it")
        return status

    @property
    def result(self) -> dict[str, Any] | None:
        """result.json, or None where the run is not finished."""
        return self._folder.finished_result()

    @property
    def metrics(self) -> pd.DataFrame:
        """metrics.csv, with the scores of the run's end: a row for each epoch; NaN where a metric was not due."""
        import pandas as pd

        from ganexp.files.record import COLUMNS, WHOLE, with_final

        path = self._folder.metrics_csv
        try:
            rows = with_final(self._folder.rows() if path.exists() else [], self.result)
        except (OSError, ValueError) as error:
            raise DirectoryError(str(error)) from None
        table = pd.DataFrame(rows, columns=None if rows else list(COLUMNS))
        return table.astype({name: "Int64" if name in WHOLE else "float64" for name in table.columns})

    @property
    def pictures(self) -> list[Path]:
        """The sample grids of its epochs, oldest first."""
        paths = (self.directory / "samples").glob("epoch_*.png")
        return sorted((path for path in paths if path.stem.removeprefix("epoch_").isdecimal()), key=number_in)

    @property
    def _folder(self) -> RunFolder:
        return RunFolder(self.directory)

    def _repr_html_(self) -> str:
        status, result = self.status, self.result
        words = [f"{status.state}, epoch {status.epoch} of {status.epochs}"]
        objective = (result or {}).get("objective") or {}
        if isinstance(value := objective.get("value"), int | float):
            words.append(f"{objective.get('name')} {value:.4g}")
        if status.error is not None and result is None:
            words.append(status.error.get("message", ""))
        pictures = [*self.pictures[-1:], self.directory / "losses.png"]
        shown = "".join(_picture(path) for path in pictures if path.is_file())
        return f"<div><b>{_text(self.directory)}</b><br>{_text('; '.join(words))}<br>{shown}</div>"


@dataclass(frozen=True)
class Sweep:
    """A sweep directory. Its report, else its table, is shown where a notebook's cell ends with it."""

    directory: Path

    @property
    def runs(self) -> list[Run]:
        """The runs that were asked for and have begun, in the order of `summary`."""
        from ganexp.report.runs import read_sweep

        folders = (run.folder for run in read_sweep(self.directory).runs)
        return [Run(folder) for folder in folders if RunFolder(folder).status() is not None]

    @property
    def summary(self) -> pd.DataFrame:
        """A row for each run that was asked for, as `ganexp.load_summary`."""
        from ganexp.report.summary import load_summary

        return load_summary(self.directory)

    @property
    def metrics(self) -> pd.DataFrame:
        """All epochs of all runs, as `ganexp.load_metrics`."""
        from ganexp.report.summary import load_metrics

        return load_metrics(self.directory)

    @property
    def verdict(self) -> Comparison | None:
        """What the report's verdict rests on: the settings by mean and interval, and which are told from the best.

        `claims` says whether there are seeds enough to claim anything. None where no setting can be ranked, and where
        the sweep has several data sets or protocols: `verdicts` has one for each. Testing is a look at the data, and
        noted in looks.json as the report does.
        """
        verdicts = self.verdicts
        return verdicts[0].comparison if len(verdicts) == 1 else None

    @property
    def verdicts(self) -> Sequence[Ranking]:
        """The ranking of each data set and protocol."""
        from ganexp.report.looks import record_looks
        from ganexp.report.ranking import rankings
        from ganexp.report.study import read_study

        study = read_study([self.directory])
        results = rankings(study)
        record_looks(study, results)
        return results

    def _repr_html_(self) -> str:
        head = f"<b>{_text(self.directory)}</b><br>"
        pages = sorted(self.directory.glob("report*.html"), key=lambda path: path.lstat().st_mtime)
        try:
            # without allow-same-origin, a page that a stranger wrote cannot act on the notebook
            page = html.escape(read_bytes(pages[-1], LARGEST_REPORT).decode())
            frame = f'<iframe sandbox="allow-scripts" srcdoc="{page}" width="100%" height="600"></iframe>'
            return f"<div>{head}{_text(pages[-1])}<br>{frame}</div>"
        except (IndexError, OSError, ValueError):
            table = self.summary.dropna(axis="columns", how="all")
            rows = table.drop(columns=["trajectory_id", "run_dir", "protocol"], errors="ignore").head(MOST_ROWS)
            paths = "".join(f"{_text(path)}<br>" for path in pages[-1:])
            return f"<div>{head}{paths}{rows.map(plain).to_html(index=False)}{len(table)} runs</div>"


def open_run(directory: str | Path) -> Run:
    """A run directory as it is now; nothing in it is called.

    Raises:
        DirectoryError: it is no run directory, or holds links.
    """
    run = Run(Path(directory).absolute())
    run._folder.refuse_links()
    run.status  # noqa: B018  (refuses what is none)
    return run


def open_sweep(directory: str | Path) -> Sweep:
    """A sweep directory as it is now; nothing in it is called.

    Raises:
        DirectoryError: it holds neither a plan nor runs, or its plan is damaged.
    """
    from ganexp.report.runs import read_sweep

    sweep = Sweep(Path(directory).absolute())
    read_sweep(sweep.directory)
    return sweep


def _text(text: object) -> str:
    return html.escape(plain(text))


def _picture(path: Path) -> str:
    """A picture as HTML that needs no other file, or its path where it is large or unreadable."""
    try:
        content = base64.b64encode(read_bytes(path, LARGEST_PICTURE)).decode()
    except OSError:
        return f"{_text(path)}<br>"
    return f'<img src="data:image/png;base64,{content}" alt="{_text(path.name)}" style="max-width: 100%">'
