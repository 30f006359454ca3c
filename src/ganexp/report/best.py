"""The winning setting as a command line and as an experiment preset."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganexp.config.recorded import check_text
from ganexp.files import owned
from ganexp.report.looks import record_looks
from ganexp.report.ranking import Ranking, rankings
from ganexp.report.runs import RunRecord
from ganexp.report.study import read_study
from ganexp.report.text.sentence import command, readable
from ganexp.report.text.verdict import luck
from ganexp.types.errors import DirectoryError
from ganexp.types.terminal import count

if TYPE_CHECKING:
    from ganexp.config.hydra_private import Override

FOLDER = "best"  # folder of a sweep directory that presets are written into; usable with --config-dir

GROUPS = ("dataset", "model", "loss", "penalty", "augment", "optim", "trainer", "metrics", "logger")

# Left out of the winning command: its user decides whom to trust and where to log, as the plan may be a stranger's.
NOT_REPEATED = ("seed", "sweep", "hydra", "trainer.milestones", "trust", "logger")

OPTION = re.compile(r"[\w-]+(/[\w-]+)*", re.ASCII)  # group options; cannot lead out of the configuration's folders


@dataclass(frozen=True)
class BestSetting:
    """The best setting of one ranking."""

    command: str  # the command line that trains it
    words: str  # what is claimed of it
    preset: Path  # the file that it is written to
    text: str  # of that file
    preset_command: str  # the command line that uses that file


def winners(sweep_dirs: Sequence[Path], *, force: bool = False) -> list[BestSetting]:
    """The best setting of each data set and protocol; its preset is written into the first sweep directory.

    Raises:
        DirectoryError: no setting can be ranked; or a file of the user's is in the place of a preset, without `force`.
    """
    study = read_study(sweep_dirs)
    results = rankings(study)
    record_looks(study, results)
    counts: Counter[str] = Counter()
    best = []
    for ranking in results:
        if ranking.best is not None and ranking.objective:
            counts[ranking.dataset] += 1
            number = counts[ranking.dataset]
            name = "best_" + re.sub(r"\W+", "_", ranking.dataset) + (f"_{number}" if number > 1 else "")
            best.append(_winner(ranking, sweep_dirs[0] / FOLDER, name))
    if not best:
        raise DirectoryError(f"{sweep_dirs[0]}: expected at least one ranked setting, got none")
    texts = {winner.preset.relative_to(sweep_dirs[0]).as_posix(): winner.text.encode() for winner in best}
    owned.write(sweep_dirs[0], texts, force=force)
    return best


def repeatable(run: RunRecord, *, root: bool = True) -> tuple[str, ...]:
    """The overrides that make a run's setting: without its seed, the sweep's own and, unless `root`, the data's place.

    Raises:
        DirectoryError, ConfigError: one is no override of one value, or does more than choosing values and options.
    """
    return safe_overrides(run.overrides, root=root)


def safe_overrides(overrides: Sequence[str], *, root: bool = True) -> tuple[str, ...]:
    """Those of `overrides`, which a stranger may have written, that make a setting; arguments, errors: `repeatable`."""
    dropped = NOT_REPEATED if root else (*NOT_REPEATED, "dataset.root")
    return tuple(text for text in overrides if not _is_below(_checked(text).key_or_group, dropped))


def preset(overrides: Sequence[str], comment: str) -> str:
    """YAML of an experiment equal to `overrides`; DirectoryError for a deleting override, which no preset can hold."""
    import yaml

    defaults: list[Any] = []
    tree: dict[str, Any] = {}
    for text in overrides:
        key, sign, value = text.partition("=")
        if not sign or key.startswith("~"):
            raise DirectoryError(f"{text!r}: a preset cannot delete a key; use the command line")
        key = key.lstrip("+")
        if key == "experiment":
            defaults.insert(0, value)
        elif key in GROUPS:
            defaults.append({f"override /{key}": _parsed(value)})
        else:
            *path, name = key.split(".")
            section = tree
            for part in path:
                section = section.setdefault(part, {})
            section[name] = _parsed(value)
    head = "# @package _global_\n" + "".join(f"# {line}\n" for line in comment.splitlines())
    body = yaml.safe_dump({"defaults": [*defaults, "_self_"], **tree}, sort_keys=False, allow_unicode=True)
    return head + body


def _checked(text: str) -> Override:
    """Parse an override of a plan, which may come from a stranger."""
    from hydra.errors import HydraException

    from ganexp.config.hydra_private import OverridesParser, unquoted_value

    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise DirectoryError(f"expected overrides in the record of a run, got {text!r} ({error})") from None
    key, value = override.key_or_group, unquoted_value(override)
    group = key in GROUPS or "/" in key or key == "experiment"
    if (
        not key
        or not text.isprintable()
        or _is_below(override.package or "", NOT_REPEATED)
        or override.is_sweep_override()
        or (isinstance(value, dict) and key == "dataset" and "root" in map(str, value))
        or (group and not (isinstance(value, dict | None) or OPTION.fullmatch(str(value))))
    ):
        raise DirectoryError(f"expected overrides that choose one value or option in the record of a run, got {text!r}")
    check_text(key, text, ())
    return override


def _is_below(key: str, keys: Sequence[str]) -> bool:
    return any(key == each or key.startswith((f"{each}.", f"{each}/")) for each in keys)


def _winner(ranking: Ranking, folder: Path, name: str) -> BestSetting:
    best = ranking.best
    assert best is not None and best.estimate is not None
    overrides = repeatable(best.lead, root=False)
    words = f"{ranking.objective} {readable(best.estimate.value)}".replace("\u202f", " ")
    words += f" over {count(len(best.done), 'seed')}"
    if not ranking.claims:
        words += "; no claim that it is the best can be made"
    elif best.together is not None and not (ranking.comparison and ranking.comparison.single):
        words += f"; {len(ranking.together)} other settings cannot be told from it"
    if overrides != repeatable(best.lead):
        words += "; dataset.root is not repeated, name it yourself"
    words += luck(ranking)
    return BestSetting(
        command(overrides),
        words,
        folder / "experiment" / f"{name}.yaml",
        preset(overrides, f"{ranking.dataset}: {words}."),
        command(["--config-dir", str(folder), f"experiment={name}"]),
    )


def _parsed(text: str) -> Any:
    from ganexp.config.hydra_private import OverridesParser, unquoted_value

    return unquoted_value(OverridesParser.create().parse_override(f"x={text}"))
