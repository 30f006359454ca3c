"""What a sweep found, from its files alone: nothing here trains, or imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write_report(
    sweep_dirs: Sequence[Path], out: Path | None = None, *, force: bool = False, beside: bool = False
) -> Path:
    """Write summary.csv of each sweep and one report of all of them; returns report.html's path.

    `force` replaces files of the user's, `beside` leaves them and writes under other names.

    Raises:
        DirectoryError: a directory holds no runs, or a damaged plan, or a file of the user's is in the way.
    """
    from ganexp.report.write import write_report

    return write_report(sweep_dirs, out, force=force, beside=beside)


def try_report(sweep_dirs: Sequence[Path]) -> Path | None:
    """`write_report` at the end of a sweep, which it must not spoil: what goes wrong is logged, and None returned."""
    try:
        from ganexp.report.write import try_report
    except ImportError:
        return None
    return try_report(sweep_dirs)
