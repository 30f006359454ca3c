"""What a user asks of a verdict: a margin within which settings are as good, and a baseline that others are to beat."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ganexp.report.collect import Run, Setting, label, text_of
from ganexp.types.errors import ConfigError


@dataclass(frozen=True)
class Options:
    """What the verdict is asked.

    Attributes:
        margin: settings are as good where they are not worse by more than this fraction; in the objective's own unit
            where not `percent`.
        percent: how the margin was typed.
        baseline: a setting, an experiment's name or a sweep directory; "" for none.
    """

    margin: float | None = None
    percent: bool = False
    baseline: str = ""

    @property
    def folder(self) -> Path | None:
        """The baseline, where it is a directory."""
        return Path(self.baseline) if self.baseline and Path(self.baseline).is_dir() else None


def options(margin: str | None, baseline: str | None) -> Options:
    """The options as typed.

    Raises:
        ConfigError: the margin is no positive number.
    """
    typed = re.fullmatch(r"(\d{0,9}\.?\d{0,9})\s*(%?)", (margin or "").strip())
    number = typed[1] if typed else ""
    if margin is None:
        return Options(baseline=baseline or "")
    if typed is None or not re.search(r"[1-9]", number):
        raise ConfigError(f"--margin: expected a positive number such as 5%, got {margin!r}")
    return Options(float(number) / (100 if typed[2] else 1), bool(typed[2]), baseline or "")


def matching(text: str, settings: dict[Setting, tuple[Run, ...]]) -> list[Setting]:
    """The settings that a baseline means: by name, by some values ("lr=1e-4, batch_size=16"), or by preset."""
    pairs = [part.partition("=")[::2] for part in re.split(r"[,\s]+(?=[\w.]+=)", text) if "=" in part]
    wanted = [(key.strip(), _text(value.strip())) for key, value in pairs]

    def meant(setting: Setting, runs: tuple[Run, ...]) -> bool:
        if label(setting) == text or any(run.values.get("experiment") == text for run in runs):
            return True
        have = {(name, value) for key, value in setting for name in (key, key.rpartition(".")[2])}
        return bool(wanted) and all(pair in have for pair in wanted)

    return [setting for setting, runs in settings.items() if meant(setting, runs)]


def _text(value: str) -> str:
    """A value as settings show it: 1e-4 is 0.0001."""
    try:
        return text_of(int(value)) if re.fullmatch(r"-?\d+", value) else text_of(float(value))
    except ValueError:
        return value
