"""Mistakes that Hydra and OmegaConf report, in messages that name the key, what was expected and what was got."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from ganexp.config.command_line import as_typed
from ganexp.types.errors import SEVERAL, WHY_NOT, ConfigError, did_you_mean, nearest
from ganexp.types.nested import dotted

LONGEST = 500  # characters of a line that are shown: an error that refers to itself repeats itself

PRESETS = ("experiment", "sweep")  # groups whose options choose options of other groups

NO_TEXT = r"null|true|false|nan|[+-]?inf|[+-]?[0-9.].*"  # values that Hydra does not read as text


def composition_message(error: BaseException) -> str:
    """One message for an error that Hydra or OmegaConf raised while composing the configuration."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: expected a folder that can be written, got: {error.strerror}"
    if isinstance(error, RecursionError):
        try:
            check_presets(sys.argv[1:])
        except ConfigError as refusal:
            return str(refusal)
    parts = _texts(error)
    text = "\n".join(parts)
    if said := as_typed(text):
        return said
    unknown = re.search(r"Could not (?:override|append to config|delete from config)[^']*'([^']+)'", text)
    wrong = re.search(r"full_key: (\S+)", text)
    inside = re.search(r"In '([^']+)': \w+ raised while composing config:\n(.+)", text)
    if wrong and inside:
        return _in_file(wrong[1], inside[2], preset_file(inside[1]))
    if unknown and ("not in struct" in text or "not in '" in text):
        key = wrong[1] if wrong else unknown[1]
        if key.startswith("notes."):
            return f"{key}: expected a note that the configuration has, got a new one, which takes a plus: +{key}=..."
        if f"~{key.partition('.')[0]}" in sys.argv:
            from ganexp.config.run_config import taken_away

            return taken_away(key.partition(".")[0])
        of_hydra = re.search(r"not in '\w+'\. Did you mean: '(\w+)'", text) if key.startswith("hydra.") else None
        near = did_you_mean(f"{key.rpartition('.')[0]}.{of_hydra[1]}") if of_hydra else suggestion(key)
        return f"{key}: unknown key.{WHY_NOT.get(key, '')}{_of_other_options(key) or near}"
    if wrong:
        first = next(line for line in parts[-1].splitlines() if line.strip())
        return _with_arguments(f"{wrong[1]}: {expected_got(first.strip())}")
    return _no_option(text) or _with_arguments(text)


def _of_other_options(key: str) -> str:
    """Which options of its group have a key that the chosen one lacks, and how a sweep over several gives it; or ""."""
    import yaml

    from ganexp.config.run_config import conf_dir, options_of

    group, _, rest = key.partition(".")
    files = {name: conf_dir() / group / f"{name}.yaml" for name in options_of(group)}
    having = [name for name, path in files.items() if rest in (yaml.safe_load(path.read_text(encoding="utf-8")) or {})]
    typed = next((argument for argument in sys.argv[1:] if argument.startswith(f"{key}=")), None)
    swept = any(re.match(rf"{group}=.*[,(]", argument) for argument in sys.argv[1:])
    instead = f"; in a sweep over such options: ++{typed}" if typed and swept else ""
    return f" Options of {group} that have it: {', '.join(having)}{instead}" if having else ""


def _texts(error: BaseException) -> list[str]:
    """The messages of an error and its causes, each once."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        text = str(cause).strip()
        if text and text not in "\n".join(texts):
            texts.append(text)
        cause = cause.__cause__
    return texts


def _in_file(key: str, line: str, path: Path) -> str:
    if "' not in '" not in line:
        return f"{key}: {expected_got(line)}, in {path}"
    own = "" if "." in key else " A constant of your own goes under notes: (notes.name, used as ${notes.name})."
    return f"{key}: unknown key, in {path}.{suggestion(key)}{own}"


def preset_file(option: str) -> Path:
    """The file of an option, e.g. "experiment/mine": in `--config-dir`, or ganexp's own."""
    from ganexp.config.run_config import conf_dir

    words = " ".join(sys.argv[1:]).replace("=", " ").split()
    folders = [Path(folder) for name, folder in pairwise(words) if name in ("--config-dir", "-cd")]
    paths = [folder / f"{option}.yaml" for folder in (*folders, conf_dir())]
    return next((path for path in paths if path.is_file()), Path(f"{option}.yaml"))


def check_presets(texts: Iterable[str]) -> None:
    """Refuse presets that choose a preset again: Hydra then loops, or silently drops the second one.

    Of the overrides `texts`, those of `experiment` and `sweep` are checked, with the files beside them that they use.

    Raises:
        ConfigError: naming the file.
    """
    for group, _, names in (text.lstrip("+").partition("=") for text in texts):
        for name in names.split(",") if group in PRESETS else ():
            _check_preset(group, name, ())


def _check_preset(group: str, name: str, used_by: tuple[str, ...]) -> None:
    import yaml

    path = preset_file(f"{group}/{name}")
    try:
        defaults = list(yaml.safe_load(path.read_text(encoding="utf-8"))["defaults"])
        entries = [entry if isinstance(entry, str) else next(iter(entry)) for entry in defaults]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return  # there is none, or Hydra refuses it
    for entry in map(str, entries):
        if entry.split()[-1].lstrip("/").partition("@")[0] == group or entry in (*used_by, name):
            raise ConfigError(
                f"{path}: expected defaults that choose no {group} again, got {entry!r}; the bare name of a file "
                "beside it ('- quickstart') is laid under it"
            )
        _check_preset(group, entry, (*used_by, name))


@contextmanager
def known_launcher() -> Iterator[None]:
    """Inside, an unknown launcher raises ConfigError."""
    try:
        yield
    except RuntimeError as error:
        if "Unknown plugin class" not in str(error):
            raise
        name = str(error).rpartition(":")[2].strip()
        raise ConfigError(f"hydra.launcher._target_: expected a launcher that is installed, got {name}") from None


def _with_arguments(text: str) -> str:
    """The text of an error, with the typed overrides where it names none of them."""
    typed = [argument for argument in sys.argv[1:] if "=" in argument]
    if not typed or any(argument in text or argument.partition("=")[0].lstrip("+~") in text for argument in typed):
        return text
    return f"{text}\nin the overrides: {shortened(' '.join(typed))}"


def shortened(line: str) -> str:
    """A line cut after `LONGEST` characters."""
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


def _no_option(text: str) -> str | None:
    """The message for a group whose override is null or a number; None for other errors."""
    from ganexp.config.run_config import options_of

    if "Config group override must be a string or a list. Got " not in text:
        return None
    for key, sign, value in (argument.partition("=") for argument in sys.argv[1:]):
        group = key.lstrip("+").partition("@")[0]
        options = options_of(group)
        if sign and (options or group.startswith("hydra")) and re.fullmatch(NO_TEXT, value, re.IGNORECASE):
            expected = "one of " + ", ".join(options) if options else "the name of an option"
            return f"{key}: expected {expected}, got {value}"
    return None


def expected_got(line: str) -> str:
    """OmegaConf's message for a wrong type, with expected and got."""
    if line.endswith("is not Optional"):
        return "expected a value, got null"
    if line.endswith("does not support deletion"):
        return "expected a value, got ~, which would take the key away"
    if match := re.search(r"while resolving interpolation: Missing mandatory value: (\S+)$", line):
        return f"expected keys that have a value here, got {match[1]}, which has none"
    if line.startswith("Missing mandatory value"):
        return "expected a value, got none"
    if match := re.match(r"Invalid value assigned: (\w+) is not a ListConfig", line):
        return f"expected a list, got a value of type {match[1]}"
    if match := re.match(r"Value '(.*)' of type '(.*)' could not be converted to (\w+)", line):
        names = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
        several = SEVERAL if re.fullmatch(r"\[.*\]", match[1]) else ""
        return f"expected {names.get(match[3], match[3])}, got {match[1]!r}{several}"
    return line


def suggestion(key: str) -> str:
    """' Did you mean ...?' with the key of the configuration nearest to a mistyped one, or the empty string."""
    keys = [name for name in known_keys() if name != key]
    by_last = {name.rpartition(".")[2]: name for name in sorted(keys, key=lambda n: n.count("."), reverse=True)}
    whole = nearest(key, keys, cutoff=0.75)
    return did_you_mean(whole or by_last.get(nearest(key.rpartition(".")[2], list(by_last), cutoff=0.6) or ""))


def known_keys() -> list[str]:
    """Every key of the configuration, with the group options that the command line chose where they compose."""
    from omegaconf import OmegaConf

    from ganexp.config.run_config import composed

    choices = [a for a in sys.argv[1:] if re.fullmatch(r"[a-z_/]+=[A-Za-z0-9_-]+", a)]
    for overrides in (choices, []):
        try:
            tree: Any = OmegaConf.to_container(composed(overrides), resolve=False)
        except Exception as error:
            last = error
            continue
        paths = [key.split(".") for key in dotted(tree)]
        keys = dict.fromkeys(".".join(path[: end + 1]) for path in paths for end in range(len(path)))
        return [key for key in keys if not key.endswith("_target_")]
    raise ConfigError(f"the configuration does not compose: {last}")
