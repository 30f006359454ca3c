"""What a sweep found, from its files alone: nothing here trains, or imports torch.

- Reading: `runs`, `study`, `settings`, `looks` (looks.json), `table` (any program's results), `search` (trials.json).
- Judging: `ranking` by `statistics`; `best` names the winner as a command line and preset.
- Showing: `write` writes `summary` (summary.csv) and `page`, of `chapters`, `facts`, `winner` and `text`; `data` is the
  block that the page's charts work with. `verify` compares a written report with the files. `figures` are those of
  report.md, and with `paper` of `--figures`. `states` are the runs as they are now: `screen` shows them in a terminal,
  `serve` in the page, live.

Arguments that many functions share:

- sweep_dirs, directory: sweep directories; DirectoryError where one holds neither a plan nor runs, or a damaged plan.
- out, folder: the report's folder; for None the sweep directory, or the folder that several have in common.
- options: what the user asks of the verdict.
- force: replace files of the user's. beside: keep them and write under other names. With neither: DirectoryError.
- name: file name of a figure, without suffix.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganexp.types.terminal import plain

if TYPE_CHECKING:
    from ganexp.report.text.closing import Closing


def write_report(
    sweep_dirs: Sequence[Path],
    out: Path | None = None,
    *,
    force: bool = False,
    beside: bool = False,
    claims: bool = True,
) -> Path:
    """Write summary.csv of each sweep and one report of all of them; returns the path of report.html.

    Without `claims` it tests nothing, which costs no part of the error rate.
    """
    from ganexp.report.write import write_sweeps  # here: it takes long to import

    return write_sweeps(sweep_dirs, out, force=force, beside=beside, claims=claims).page


def try_report(sweep_dirs: Sequence[Path], *, claims: bool = True) -> Path | None:
    """`write_report` at the end of a sweep: an error is logged, not raised, and None is returned."""
    try:
        return write_report(sweep_dirs, beside=True, claims=claims)
    except ImportError:
        return None
    except Exception as error:
        message = "the report could not be written: %s: %s"
        logging.getLogger("ganexp").warning(message, type(error).__name__, plain(error))
        return None


def closing_of(sweep_dir: Path, run_ids: Collection[str]) -> Closing | None:
    """What a terminal shows of some runs at a sweep's end; an error is logged, not raised, and None is returned."""
    from ganexp.report.study import read_study
    from ganexp.report.text.closing import Closing

    try:
        return Closing(read_study([sweep_dir]), run_ids)
    except Exception as error:
        logging.getLogger("ganexp").warning("no table of settings: %s: %s", type(error).__name__, plain(error))
        return None
