"""Settings: what differs between the runs of a study, and which of them a user means."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganexp.types.errors import ConfigError
from ganexp.types.nested import short_keys

if TYPE_CHECKING:
    from ganexp.report.runs import RunRecord, Sweep

# (key, value as text) for each key that differs between runs; without the data set
Setting = tuple[tuple[str, str], ...]

# They do not tell settings apart: they change no number, or stand elsewhere (seed, data set).
NO_SETTING = (
    *("seed", "dataset", "dataset.root", "trainer.device", "trainer.threads", "trainer.keep_checkpoints"),
    *("trainer.milestones", "trainer.samples_every_epochs", "trainer.sample_images", "changed_code", "own_code_random"),
)

NO_SETTING_GROUPS = ("hydra", "sweep", "trust", "logger", "metrics")  # groups of such keys


@dataclass(frozen=True)
class VerdictOptions:
    """What a user asks of a verdict beyond the best setting."""

    # settings are as good where they are worse by less than this fraction; in the objective's unit where not `percent`
    margin: float | None = None
    percent: bool = False  # whether the margin was typed in percent
    baseline: str = ""  # a setting, an experiment's name or a sweep directory that others are to beat; "" for none

    @property
    def folder(self) -> Path | None:
        """The baseline where it is a directory, else None."""
        return Path(self.baseline) if self.baseline and Path(self.baseline).is_dir() else None


NO_OPTIONS = VerdictOptions()


def parse_options(margin: str | None, baseline: str | None) -> VerdictOptions:
    """The options as typed; ConfigError: the margin is no positive number."""
    if margin is None:
        return VerdictOptions(baseline=baseline or "")
    typed = re.fullmatch(r"(\d{0,9}\.?\d{0,9})\s*(%?)", margin.strip())
    if typed is None or not re.search(r"[1-9]", typed[1]):
        raise ConfigError(f"--margin: expected a positive number such as 5%, got {margin!r}")
    return VerdictOptions(float(typed[1]) / (100 if typed[2] else 1), bool(typed[2]), baseline or "")


def find_baseline(options: VerdictOptions, settings: Mapping[Setting, tuple[RunRecord, ...]]) -> Setting | None:
    """The one of `settings`, best first, that the baseline means; ConfigError: it means several.

    A directory means the first setting that has its runs.
    """
    if options.folder is not None:
        place = options.folder.resolve()
        return next((s for s, runs in settings.items() if any(run.sweep.resolve() == place for run in runs)), None)
    matches = [s for s, runs in settings.items() if _means(options.baseline, s, runs)] if options.baseline else []
    if len(matches) > 1:
        names = "; ".join(map(label, matches))
        raise ConfigError(f"--baseline: expected one setting, got {options.baseline!r}, which means {names}")
    return matches[0] if matches else None


def _means(text: str, setting: Setting, runs: Sequence[RunRecord]) -> bool:
    """Whether `text` is a setting's name, some of its values ("lr=1e-4, batch_size=16"), or its preset."""
    if label(setting) == text or any(run.values.get("experiment") == text for run in runs):
        return True
    pairs = [part.partition("=")[::2] for part in re.split(r"[,\s]+(?=[\w.]+=)", text) if "=" in part]
    values = {(name, value) for key, value in setting for name in (key, key.rpartition(".")[2])}
    return bool(pairs) and all((key.strip(), _normalised(value.strip())) in values for key, value in pairs)


def _normalised(value: str) -> str:
    try:
        return text_of(int(value)) if re.fullmatch(r"-?\d+", value) else text_of(float(value))
    except ValueError:
        return value


def telling_keys(sweeps: Sequence[Sweep]) -> list[str]:
    """The overridden keys (without plans: all keys) whose values differ between runs."""
    runs = [run for sweep in sweeps for run in sweep.runs]
    candidates = dict.fromkeys(key for sweep in sweeps for key in sweep.keys)
    candidates = candidates or dict.fromkeys(key for run in runs for key in run.values)
    if len(sweeps) > 1:
        candidates |= dict.fromkeys(("model", "loss", "optim.lr", "trainer.batch_size"))
    if len({run.epochs for run in runs}) > 1:
        candidates |= {"trainer.epochs": None}
    candidates |= {"own_code": None}
    keys = [
        key
        for key in _setting_keys(candidates)
        if not key.endswith("._target_") and not (key == "lr" and "optim.lr" in candidates)
        if len({text_of(run.values.get(key)) for run in runs}) > 1
    ]
    return [*keys, *_hidden_differences(runs, keys)]


def _setting_keys(keys: Iterable[str]) -> list[str]:
    return [key for key in keys if key not in NO_SETTING and key.split(".")[0] not in NO_SETTING_GROUPS]


def _hidden_differences(runs: Sequence[RunRecord], keys: Sequence[str]) -> list[str]:
    """Keys that no request overrode but that differ between runs of one setting and seed: the root of data at last."""
    first: dict[tuple[str, ...], RunRecord] = {}
    differences: dict[str, None] = {}
    for run in runs:
        place = tuple(text_of(run.values.get(key)) for key in ("dataset", "seed", *keys))
        other = first.setdefault(place, run)
        if other.run_id != run.run_id:
            names = [name for name in {**other.values, **run.values} if name not in keys]
            differing = [n for n in names if text_of(other.values.get(n)) != text_of(run.values.get(n))]
            differences |= dict.fromkeys(_setting_keys(differing) or [n for n in differing if n == "dataset.root"])
    return list(differences)


def label(setting: Setting) -> str:
    """A setting for display: the last part of each key and its value."""
    names = key_names(key for key, _ in setting)
    return ", ".join(f"{names[key]} {value}" for key, value in setting) or "the only setting"


def key_names(keys: Iterable[str]) -> dict[str, str]:
    """Keys for display together: the last part of each, with as many before it as tell it from the others."""
    return {key: short_key(key) if "." not in end else end for key, end in short_keys(keys).items()}


def short_key(key: str) -> str:
    """'trainer.batch_size' -> 'batch size'."""
    return key.rpartition(".")[2].replace("_", " ").strip() or key


def text_of(value: Any, digits: int = 6) -> str:
    """A configuration value as short text; equal numbers give equal texts, and numbers that people type other ones.

    Numbers that nobody typed, as searches draw them, are shown with so many digits.
    """
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "null"
    if isinstance(value, float):
        typed = f"{value:.9g}"  # a drawn number has more digits, and differs in its first ones
        return typed if float(typed) == value or not math.isfinite(value) else f"{value:.{digits}g}"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def level_order(levels: Iterable[str]) -> list[str]:
    """Distinct levels of a key: numbers by size, then texts."""
    return sorted(set(levels), key=level_key)


def level_key(text: str) -> tuple[int, float, str]:
    """Sorts numbers by size, then texts."""
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)
