"""What was typed on the command line, where Hydra cannot read it: one line, and the nearest line that it can."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from itertools import groupby

from ganexp.types.errors import ConfigError, did_you_mean, nearest, suggested

TYPOGRAPHIC = str.maketrans("‐‑‒–—−“”„«»‘’‚＝，\u00a0", '------"""""\'\'\'=, ')
OPTION = re.compile(r"Could not find '([^']+)/([^'/]+)'")
ONE_OPTION = ("dataset", "model", "loss", "penalty", "augment", "optim")  # groups of which two options are no sum
FUNCTIONS = ("range", "choice", "interval", "glob", "shuffle", "sort")


def as_typed(text: str) -> str | None:
    """The message for an error about an override or an option that Hydra cannot read; None for another error."""
    if found := OPTION.search(text):
        return _no_such_option(found[1], found[2], text)
    if found := re.search(r"Error when parsing index: (\d+), string: (.*) out of \[", text):
        return _unread(found[2])
    if found := re.search(r"Sweeping over Hydra's configuration is not supported : '(.*)'", text):
        return f"{found[1]}: expected one value; a value with a comma or space takes quotes: {_in_quotes(found[1])}"
    if found := re.search(r"Additional config directory '(.*)' not found", text):
        return f"--config-dir: expected a folder that exists, got {found[1]}"
    if found := re.search(r"(?:Ambiguous value for argument|Sweep parameters) '(.*?)'(?:\n| requires)", text):
        return f"{found[1]}: several values take --multirun: ganexp --multirun {shlex.quote(found[1])}"
    if found := re.search(r"(\S+) appears more than once in the final defaults list", text):
        added = next((each for each in sys.argv[1:] if each.startswith("+")), None)
        return f"{added}: expected one option of {found[1]}.{did_you_mean(added.lstrip('+'))}" if added else None
    if found := re.search(r"Cannot find primary config '(.*?)'", text):
        return f"--config-name: expected config, ganexp's own, got {found[1]}"
    if "Input config does not have a `_target_` field" in text:
        for argument in sys.argv[1:]:
            if re.match(r"hydra\.(launcher|sweeper)=", argument):
                return f"{argument}: expected a mapping. Did you mean {argument.replace('.', '/', 1)!r}?"
    return None


def check_options(arguments: Sequence[str]) -> None:
    """Refuse what begins with a dash and is no option of Hydra's, and lists of values where one is read.

    Raises:
        ConfigError: says which, and how it is written.
    """
    from ganexp.config.hydra_private import get_args_parser

    names = [name for name in get_args_parser()._option_string_actions if name.startswith("--")]
    short = [name for name in get_args_parser()._option_string_actions if not name.startswith("--")]
    for place, argument in enumerate(arguments):
        name, sign, value = argument.partition("=")
        if (
            not name.startswith("-")
            or name in short
            or any(other.startswith(name) for other in names if name[:2] == "--")
        ):
            if name in ONE_OPTION and (listed := re.fullmatch(r"\[(.*)\]", value)):  # Hydra would take the last one
                meant = f"--multirun {name}={listed[1].replace(' ', '')}" if "," in value else f"{name}={listed[1]}"
                raise ConfigError(f"{argument}: expected one option of {name}, got a list.{did_you_mean(meant)}")
            continue
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        key = name.lstrip("-").replace("-", "_")
        if not sign and (close := nearest(name, names, cutoff=0.8)):
            raise ConfigError(f"{argument}: unknown option.{did_you_mean(close)}")
        if not sign and following and "=" not in following and not following.startswith("-"):
            sign, value = "=", following
        instead = f"{_key(key)}={value}" if sign else None
        raise ConfigError(
            f"{argument}: unknown option; keys are given as key=value, without dashes.{did_you_mean(instead)}"
        )
    if {"-m", "--multirun"} & {*arguments}:
        _check_repeats(arguments)


def _check_repeats(arguments: Sequence[str]) -> None:
    """Refuse several values of a key in a row, to which a shell spreads `seed={0,1}`: only the last would count.

    Raises:
        ConfigError: with the list that was meant.
    """
    for key, group in groupby(arguments, key=lambda text: text.partition("=")[0]):
        values = list(dict.fromkeys(text.partition("=")[2] for text in group))
        plain = not key.startswith(("-", "+", "~", "hydra")) and not re.search(r"[,()]", "".join(values))
        if len(values) > 1 and plain:
            typed, listed = " ".join(f"{key}={value}" for value in values), ",".join(values)
            raise ConfigError(f"{typed}: expected one list for {key}.{did_you_mean(f'{key}={listed}')}")


def _key(key: str) -> str:
    from ganexp.config.mistakes import known_keys

    keys = known_keys()
    within = [known for known in keys if known.endswith(f".{key}")]
    return key if key in keys else min(within, key=lambda known: known.count("."), default=key)


def _no_such_option(group: str, name: str, text: str) -> str:
    from ganexp.config.mistakes import preset_file

    block = text.partition("Available options in")[2].partition(":\n")[2]
    options = re.findall(r"^\t(\S+)$", block.partition("Config search path")[0], re.MULTILINE)
    inside = re.search(r"In '([^']+/[^']+)': Could not find", text)
    place = f", in {preset_file(inside[1])}" if inside and not inside[1].startswith("hydra/") else ""
    expected = f"one of {', '.join(options)}" if options else "an option that exists"
    return f"{group}: expected {expected}, got {name!r} (no {group}/{name}{place}).{suggested(name, options)}"


def _unread(text: str) -> str:
    """The message for an override that is no override."""
    if not text.strip():
        return f"{text!r}: expected key=value, got nothing"
    place = sys.argv.index(text) if text in sys.argv[1:] else 0
    before = sys.argv[place - 1] if place > 1 else ""
    after = sys.argv[place + 1 : place + 2] if place else []
    plain = text.translate(TYPOGRAPHIC)
    if plain != text:
        close = nearest(f"-{plain}", ["--multirun", "--config-dir"]) if plain.startswith("-") else None
        return f"{text}: expected plain quotes and dashes, got typographic ones.{did_you_mean(close or plain)}"
    line = f" {' '.join([text, *after])}" if place else ""
    _, sign, value = text.partition("=")
    for instead in _nearby(text, before, after[0] if after else ""):
        if _reads(instead):
            why = "expected key=value" if not sign or not value else "expected a value that can be read"
            return f"{text}: {why}, got{line or ' ' + text}.{did_you_mean(instead)}"
    if not sign:
        return f"{text}: expected key=value, got no '='.{did_you_mean(_option_named(text))}"
    return f"{text}: expected a value in quotes, as it holds a character that is more than text: {_in_quotes(text)}"


def _option_named(word: str) -> str | None:
    """The choice of an option with this name, or one like it: mnist -> dataset=mnist."""
    from ganexp.config.mistakes import PRESETS
    from ganexp.config.run_config import conf_dir

    groups = [*ONE_OPTION, *(group for group in PRESETS if group != "sweep" or {"-m", "--multirun"} & {*sys.argv})]
    options = [path for path in sorted(conf_dir().glob("*/*.yaml")) if path.parent.name in groups]
    named = {path.stem: f"{path.parent.name}={path.stem}" for path in options if path.stem != "none"}
    return named.get(nearest(word, list(named), cutoff=0.8) or "")


def _nearby(text: str, before: str, after: str) -> list[str]:
    """What may have been meant, the likeliest first; not all of it can be read."""
    lone = after if "=" not in after and not after.startswith("-") else ""
    joined = [f"{text} {after}".replace(" = ", "="), f"{text}{after}"] if lone or after.startswith("=") else []
    joined = joined[1:] if text.endswith(",") else joined
    if "=" not in text:
        value = before.partition("=")[2]
        call = [f"{before}({text})"] if value in FUNCTIONS else []
        listed = [f"{before.rstrip(',')},{text.lstrip(',')}"] if value else []
        worded = [f"{text}={lone}"] if lone and re.fullmatch(r"[a-zA-Z_][\w./]*", text) else []
        started = [joined[-1]] if after.startswith("=") else [f"{before}{text}"] if before.endswith("=") else []
        option = _option_named(text)
        exact = option is not None and option.endswith(f"={text}")
        goes_on = before.endswith(",") or re.match(f"{(option or '').partition('=')[0]}[.=]", before) is not None
        chosen = [str(option)] if exact and not goes_on else []
        return [*started, *call, *chosen, *worded, *listed, *(text.replace(sign, "=", 1) for sign in ":/.")]
    key, _, value = text.lstrip("{[(").partition("=")
    tidy = re.sub(r",{2,}", ",", value.strip(" ,=")).strip("(){}")
    bare = [] if "=" in value.lstrip("=") else [f"{key.strip()}={tidy}"]
    ends = "".join(dict(zip("[({", "])}", strict=True))[sign] for sign in reversed(re.findall(r"[\[({]", value)))
    closed = [f"{text}{ends}"] if not re.search(r"[])}]", value) else []
    braces = [re.sub(r"\{(.*)\}", r"(\1)", text)] if value.startswith(FUNCTIONS) else []
    return [*joined, *braces, *closed, *bare]


def _reads(text: str) -> bool:
    from hydra.errors import HydraException

    from ganexp.config.hydra_private import OverridesParser

    try:
        OverridesParser.create().parse_override(text)
    except (HydraException, ValueError):
        return False
    return True


def _in_quotes(text: str) -> str:
    from ganexp.config.hydra_private import quoted

    key, _, value = text.partition("=")
    return shlex.quote(f"{key}={quoted(value)}") if "'" in value else f'"{key}={quoted(value)}"'
