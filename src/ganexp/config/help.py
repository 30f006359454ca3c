"""What `ganexp --help` prints: commands, options and presets, and each key with its default, range and meaning.

Nothing is imported for it that would import torch: defaults are of the composed configuration, meanings are comments in
the schema and in the YAML files of the options, ranges come from the annotations in the source.
"""

from __future__ import annotations

import inspect
import json
import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from omegaconf import OmegaConf

from ganexp.config import schema
from ganexp.config.annotations import in_words, ranges_of
from ganexp.config.mistakes import preset_file
from ganexp.config.run_config import conf_dir, options_of
from ganexp.types.nested import dotted
from ganexp.types.schedule import Schedule

PURPOSE = "Trains GANs from settings, sweeps over settings, and says which of them win and whether the win is real."

EXAMPLES = {
    "ganexp": "train on the digits that come with ganexp",
    "ganexp dataset=mnist optim.lr=2e-4": "one run, in outputs/",
    "ganexp --multirun optim.lr=1e-3,1e-4 seed=0,1,2": "a sweep, in multirun/; ends with a report",
}

OPTIONS = {
    "--multirun, -m": "run all combinations of values with commas: a sweep",
    "--config-dir DIR": "a folder of your own options: DIR/model/mine.yaml is model=mine",
    "--cfg job": "print the whole configuration, run nothing",
    "--version": "the version of ganexp",
    "--hydra-help": "the options of Hydra, which composes the configuration",
}

SECTIONS = {"trainer": schema.TrainerConfig, "metrics": schema.MetricsConfig, "sweep": schema.SweepConfig}
PRESETS = ("experiment", "sweep", "hydra/launcher")
GROUPS = ("dataset", "model", "loss", "penalty", "augment", "optim", "metrics", "logger")
WIDEST, INDENT, COLUMN = 100, 2, 30  # characters of a line, before a name, and before its words
LONGEST_DEFAULT = 40  # characters of a default that is shown


@dataclass(frozen=True)
class Key:
    """One key that can be given as NAME=VALUE."""

    name: str
    default: str
    range: str  # in words; "" for anything
    meaning: str  # "" where its option's file says nothing


def help_text(config: Any, commands: Mapping[str, str]) -> str:
    """The help, with the defaults that a composed configuration has."""
    width = min(WIDEST, shutil.get_terminal_size().columns)
    sections = [("Examples", EXAMPLES), ("Commands (ganexp COMMAND --help: the options of one)", commands)]
    presets = {f"{group}={name}": first_comment(group, name) for group in PRESETS for name in options_of(group)}
    sections.append(("Presets", presets))
    groups = {f"{group}={chosen(config, group)}": _others(config, group) for group in GROUPS}
    sections.append(("Groups, each with the option that is chosen (--help beside others shows their keys)", groups))
    sections.append(("Options of the command", OPTIONS))
    lines = [*textwrap.wrap(PURPOSE, width), "", "ganexp [KEY=VALUE]...", "ganexp COMMAND ..."]
    for title, entries in sections:
        lines += ["", title, *(line for name, words in entries.items() for line in _entry(name, words, width))]
    lines += ["", "Keys, with their defaults"]
    for key in keys_of(config):
        words = f"{key.meaning.rstrip('.')} ({key.range})" if key.meaning and key.range else key.meaning or key.range
        lines += _entry(f"{key.name}={key.default}", words, width)
    return "\n".join(lines)


def chosen(config: Any, group: str) -> str:
    """The option of a group that a composed configuration has."""
    return str(config.hydra.runtime.choices.get(group))


def _others(config: Any, group: str) -> str:
    return "or " + ", ".join(name for name in options_of(group) if name != chosen(config, group))


def keys_of(config: Any) -> Iterator[Key]:
    """The keys of a composed configuration, without those that ganexp itself sets."""
    plain: Any = OmegaConf.to_container(config, resolve=False)
    for group in (*GROUPS, "trainer", "sweep"):
        if group in SECTIONS:
            yield from _schema_keys(SECTIONS[group], f"{group}.", plain.get(group) or {})
        else:
            yield from _option_keys(group, group, plain.get(group) or {}, chosen(config, group))
        for name, node in (plain.get(group) or {}).get("scores", {}).items():
            yield from _option_keys("metrics/score", f"metrics.scores.{name}", node, name)
    yield from _schema_keys(schema.Config, "", plain)


def _schema_keys(section: type[Any], prefix: str, values: Mapping[str, Any]) -> Iterator[Key]:
    meanings = comments_of(inspect.getsource(section))
    for name, annotation in get_type_hints(section, include_extras=True).items():
        if f"{prefix}{name}" in schema.INTERNAL or name == "scores" or name in (*GROUPS, *SECTIONS):
            continue
        yield Key(f"{prefix}{name}", _shown(values.get(name)), in_words(annotation), meanings.get(name, ""))


def _option_keys(group: str, prefix: str, node: Mapping[str, Any], option: str) -> Iterator[Key]:
    """The keys of the chosen option of a group; those of one network (`optim.generator`) are left out."""
    ranges = {**ranges_of(str(node.get("_target_"))), **{name: in_words(hint) for name, hint in _schedule().items()}}
    for name, value in dotted({key: each for key, each in node.items() if key != "_target_"}).items():
        last = name.rpartition(".")[2]
        if name.startswith(("generator.", "discriminator.")):
            continue
        home = f"{group}/schedule" if name.startswith("schedule.") else group
        yield Key(f"{prefix}.{name}", _shown(value), ranges.get(last, ""), meaning(home, option, last))
    for net in ("generator", "discriminator") if group == "optim" else ():
        yield Key(f"optim.{net}.KEY", "VALUE", "", f"any of these keys, for the {net} alone")


def _schedule() -> Mapping[str, Any]:
    return get_type_hints(Schedule, include_extras=True)


def meaning(group: str, option: str, key: str) -> str:
    """The comment on a key in the file of its option, or else in that of another option of the group."""
    files = [preset_file(f"{group}/{option}"), *(conf_dir() / group / f"{name}.yaml" for name in options_of(group))]
    texts = (path.read_text(encoding="utf-8") for path in files if path.is_file())
    return next((words for text in texts if (words := comments_of(text).get(key))), "")


def first_comment(group: str, option: str) -> str:
    """The first comment line of an option's file that is not for Hydra."""
    text = (conf_dir() / group / f"{option}.yaml").read_text(encoding="utf-8")
    comments = re.findall(r"^# (?!@package)(.*)$", text, re.MULTILINE)
    return comments[0] if comments else ""


def comments_of(source: str) -> dict[str, str]:
    """Key -> comment, of lines such as `key: 1  # comment`, or the comment lines before such a line."""
    found: dict[str, str] = {}
    before: list[str] = []
    for line in source.splitlines():
        if comment := re.match(r"\s*# (.*)", line):
            before.append(comment[1])
        elif key := re.match(r"\s*(\w+):(?:.*? # (.*))?", line):
            words = key[2] or " ".join(before)
            found |= {key[1]: words.strip()} if words else {}
            before = []
        else:
            before = []
    return found


def _shown(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":")).replace('"', "")  # null, true, [1,2]: as they are typed
    return text if len(text) <= LONGEST_DEFAULT else f"{text[:LONGEST_DEFAULT]}..."


def _entry(name: str, words: str, width: int) -> list[str]:
    """A name and its words beside it, or below it where the name is long."""
    short = len(name) < COLUMN - INDENT - 1
    lead = f"{' ' * INDENT}{name}"
    lines = textwrap.wrap(words, width - COLUMN, break_long_words=False) if words else []
    first = [f"{lead:<{COLUMN}}{lines[0]}"] if short and lines else [lead]
    return [*first, *(" " * COLUMN + line for line in lines[1 if short else 0 :])]
