"""Code of the user's own in a run: its current source, and whether it changed since numbers were made with it."""

from __future__ import annotations

import linecache
import sysconfig
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ganexp.config.target import is_own, validate_value
from ganexp.files.code_record import NOT_REPRODUCIBLE, CodeRecord, Sources, joined, read_code, write_code
from ganexp.files.source_files import file_of, sources
from ganexp.types.errors import ConfigError

if TYPE_CHECKING:
    from ganexp.config.run_config import RunConfig


OF_RUN = (
    "expected the code that the run was made with",
    "changed_code=own_run makes a run of its own, changed_code=same_run goes on as the same run",
)
OF_STUDY = (
    "expected trials of one code",
    "another hydra.sweep.dir makes a search of its own, changed_code=same_run goes on",
)  # what is expected, and the alternatives


def own_code(config: RunConfig) -> CodeRecord | None:
    """The own code of a configuration as its files are now; None where all of it is ganexp's and torch's.

    A logger changes no number, and does not count.
    """
    if not config.has_own_code:
        return None
    return CodeRecord((sources(config.own_targets),), sources(config.own_metrics))


def check(
    run: Path, code: CodeRecord | None, config: RunConfig, *, metrics: bool = True, study: bool = False
) -> CodeRecord | None:
    """Refuse a run directory whose numbers other own code made, or whose numbers are not reproducible.

    A directory without a record of own code, or without anything trained, passes; the keys `changed_code` and
    `own_code_random` of `config` allow either. `code` is the configuration's own code now. `metrics`: compare the
    metrics' sources too. `study`: the run is another trial of a search, all of which are made with one code.

    Returns:
        `code`, merged with the run's record.

    Raises:
        ConfigError: naming the files.
    """
    trained = (run / "result.json").exists() or any((run / "checkpoints").glob("*.safetensors"))
    before = read_code(run) if trained else None
    if code is None or before is None:
        return code
    expected, otherwise = OF_STUDY if study else OF_RUN
    sources_before = before.all_sources if metrics else before.training[-1]
    _refuse_changed(sources_before, code, config.changed_code, f"{run}: {expected}", otherwise)
    if before.problems and config.own_code_random == "refuse" and not study:
        raise ConfigError(f"{run}: {NOT_REPRODUCIBLE} ({'; '.join(before.problems)}); own_code_random=allow reads it")
    return joined(before, code)


def check_planned(planned: str | None, code: CodeRecord | None, answer: str) -> None:
    """Refuse other code than `planned`, a result of `as_text`, unless `answer` is "same_run".

    Raises:
        ConfigError: naming the files that changed.
    """
    before = dict(pair.rsplit(":", 1) for pair in (planned or "").split())
    expected = "expected the code that the sweep was planned with"
    _refuse_changed(before, code, answer, expected, "changed_code=same_run takes it for the same")


def with_answer(config: RunConfig, changed_code: str) -> RunConfig:
    """A recorded configuration with the caller's `--changed-code` instead of the recorded value.

    Raises:
        ConfigError: it is neither "refuse" nor "same_run".
    """
    answer = validate_value("--changed-code", Literal["refuse", "same_run"], changed_code)
    return replace(config, changed_code=answer)


def accept(run: Path, code: CodeRecord | None) -> None:
    """Record, for a finished run, which source the user said to be the same."""
    before = read_code(run)
    if before is not None and code is not None and len(code.training) > len(before.training):
        write_code(run, code)


def _refuse_changed(before: Sources, code: CodeRecord | None, answer: str, expected: str, otherwise: str) -> None:
    """ConfigError naming the files that changed since `before`, unless the answer is that they are the same.

    Compares modules that are in both: where one comes or goes, the one that imports it changes.
    """
    now = code.all_sources if code is not None else {}
    changed = sorted(module for module in before.keys() & now.keys() if before[module] != now[module])
    if changed and answer != "same_run":
        files = ", ".join(f"{module} ({file_of(module)})" for module in changed)
        raise ConfigError(f"{expected}, got another {files}; {otherwise} (after a comment, a rename)")


def own_line(error: Exception) -> str:
    """Where in own code an error arose, with the line itself; "": nowhere."""
    others = sysconfig.get_paths()
    frames = [
        (frame.f_code.co_filename, number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if is_own(str(frame.f_globals.get("__name__")))
        and not frame.f_code.co_filename.startswith((others["stdlib"], others["purelib"], others["platlib"], "<"))
    ]
    if not frames:
        return ""
    file, number = frames[-1]
    return f"\n  {file}, line {number}: {linecache.getline(file, number).strip()}"
