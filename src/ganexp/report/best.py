"""The winning setting as a command line and as an experiment preset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganexp.config.recorded import check_text
from ganexp.files import owned
from ganexp.report.collect import Run, collect
from ganexp.report.findings import Ranking, rankings
from ganexp.report.gather import noted
from ganexp.report.verdict import luck
from ganexp.report.wording import command, readable
from ganexp.types.errors import DirectoryError

if TYPE_CHECKING:
    from ganexp.config.hydra_private import Override

FOLDER = "best"
"""Folder of a sweep directory that presets are written into; usable with --config-dir."""

GROUPS = ("dataset", "model", "loss", "penalty", "optim", "trainer", "metrics", "logger")

NOT_REPEATED = ("seed", "sweep", "hydra", "trainer.milestones", "trust", "logger")
"""What is about the sweep. Whom to trust, and where to send numbers, whoever repeats a setting must say anew: the plan
may be a stranger's."""

OPTION = re.compile(r"[\w-]+(/[\w-]+)*", re.ASCII)
"""Names of group options: no path leads out of the configuration's folders."""


@dataclass(frozen=True)
class Winner:
    """The best setting of one ranking.

    Attributes:
        dataset: its data set.
        overrides: what makes the setting, without the seed.
        command: the command line that trains it.
        words: what is claimed of it.
        preset: the file that it is written to.
        text: of that file.
        preset_command: the command line that uses that file.
    """

    dataset: str
    overrides: tuple[str, ...]
    command: str
    words: str
    preset: Path
    text: str
    preset_command: str


def winners(sweep_dirs: Sequence[Path], *, force: bool = False) -> list[Winner]:
    """The best setting of each data set and protocol, its preset written into the first sweep directory.

    Raises:
        DirectoryError: no setting can be ranked; or a file of the user's is in the place of a preset, without `force`.
    """
    found = [
        ranking for ranking in rankings(noted(collect(sweep_dirs))) if ranking.best is not None and ranking.objective
    ]
    if not found:
        raise DirectoryError(f"{sweep_dirs[0]}: expected at least one ranked setting, got none")
    names: dict[str, int] = {}
    result = []
    for ranking in found:
        names[ranking.dataset] = names.get(ranking.dataset, 0) + 1
        suffix = f"_{names[ranking.dataset]}" if names[ranking.dataset] > 1 else ""
        name = "best_" + re.sub(r"\W+", "_", ranking.dataset) + suffix
        result.append(_winner(ranking, sweep_dirs[0] / FOLDER, name))
    texts = {each.preset.relative_to(sweep_dirs[0]).as_posix(): each.text.encode() for each in result}
    owned.write(sweep_dirs[0], texts, force=force)
    return result


def repeatable(run: Run, *, root: bool = True) -> tuple[str, ...]:
    """The overrides that make a run's setting: without its seed, and what is about the sweep.

    Args:
        run: a run of the setting.
        root: with the place of the data; whoever writes there must name it anew.

    Raises:
        DirectoryError, ConfigError: one is no override of one value, or does more than choosing values and options.
    """
    dropped = NOT_REPEATED if root else (*NOT_REPEATED, "dataset.root")
    return tuple(text for text in run.overrides if not _is_about(_checked(text), dropped))


def _checked(text: str) -> Override:
    """An override of a plan, which nobody may have typed on this machine."""
    from hydra.errors import HydraException

    from ganexp.config.hydra_private import OverridesParser, unquoted_value

    try:
        found = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise DirectoryError(f"plan.json: expected overrides, got {text!r} ({error})") from None
    value = unquoted_value(found)
    group = found.key_or_group in GROUPS or "/" in found.key_or_group or found.key_or_group == "experiment"
    if (
        not found.key_or_group
        or not text.isprintable()
        or _about(found.package or "", NOT_REPEATED)
        or found.is_sweep_override()
        or (isinstance(value, dict) and found.key_or_group == "dataset" and "root" in map(str, value))
        or (group and not (isinstance(value, dict | None) or OPTION.fullmatch(str(value))))
    ):
        raise DirectoryError(f"plan.json: expected overrides that choose one value or option, got {text!r}")
    check_text(found.key_or_group, text, ())
    return found


def _winner(ranking: Ranking, folder: Path, name: str) -> Winner:
    best = ranking.best
    assert best is not None and best.estimate is not None
    overrides = repeatable(best.lead, root=False)
    path = folder / "experiment" / f"{name}.yaml"
    told = f"{ranking.objective} {readable(best.estimate.value)}".replace("\u202f", " ")
    told += f" over {len(best.done)} seed{'s' * (len(best.done) != 1)}"
    if not ranking.claims:
        told += "; no claim that it is the best can be made"
    elif best.together is not None and not (ranking.comparison and ranking.comparison.single):
        told += f"; {len(ranking.together)} other settings cannot be told from it"
    if overrides != repeatable(best.lead):
        told += "; dataset.root is not repeated, name it yourself"
    told += luck(ranking)
    text = preset(overrides, f"{ranking.dataset}: {told}.")
    preset_command = command(["--config-dir", str(folder), f"experiment={name}"])
    return Winner(ranking.dataset, overrides, command(overrides), told, path, text, preset_command)


def preset(overrides: Sequence[str], comment: str) -> str:
    """An experiment's YAML that composes to the same as `overrides` on the command line.

    Raises:
        DirectoryError: an override that deletes, which no preset can say.
    """
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
            _put(tree, key.split("."), _parsed(value))
    head = "# @package _global_\n" + "".join(f"# {line}\n" for line in comment.splitlines())
    body = yaml.safe_dump({"defaults": [*defaults, "_self_"], **tree}, sort_keys=False, allow_unicode=True)
    return head + body


def _put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value


def _parsed(text: str) -> Any:
    """A value as Hydra's override grammar reads it."""
    from ganexp.config.hydra_private import OverridesParser, unquoted_value

    return unquoted_value(OverridesParser.create().parse_override(f"x={text}"))


def _is_about(override: Override, keys: Sequence[str]) -> bool:
    return _about(override.key_or_group, keys)


def _about(key: str, keys: Sequence[str]) -> bool:
    return any(key == each or key.startswith((f"{each}.", f"{each}/")) for each in keys)
