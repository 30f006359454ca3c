"""What Hydra and OmegaConf say of a mistake, in words that name the key, what was expected and what was got."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from ganexp.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

LONGEST = 500
"""Characters of a command line that are shown."""

NO_TEXT = r"null|true|false|nan|[+-]?inf|[+-]?[0-9.].*"
"""Values that Hydra reads as something else than text."""


def composition_message(error: BaseException) -> str:
    """One message for an error that Hydra or OmegaConf raised while composing the configuration."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: expected a folder that can be written, got: {error.strerror}"
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None:
        text = str(current).strip()
        if text and text not in "\n".join(parts):
            parts.append(text)
        current = current.__cause__
    text = "\n".join(parts)
    unknown = re.search(r"Could not (?:override|append to config|delete from config)[^']*'([^']+)'", text)
    wrong = re.search(r"full_key: (\S+)", text)
    if unknown and ("not in struct" in text or "not in '" in text):
        key = wrong[1] if wrong else unknown[1]
        if key.startswith("notes."):
            return f"{key}: expected a note that the configuration has, got a new one, which takes a plus: +{key}=..."
        return f"{key}: unknown key.{suggestion(key)}"
    if wrong:
        first = next(line for line in parts[-1].splitlines() if line.strip())
        return _with_arguments(f"{wrong[1]}: {expected_got(first.strip())}")
    return _no_option(text) or _with_arguments(text)


def check_hydra(node: DictConfig, where: str = "hydra") -> None:
    """Refuse keys of Hydra's own node that nobody reads: `+` and `++` add them to its typed sections too.

    Raises:
        ConfigError: naming the key and the nearest one.
    """
    from omegaconf import DictConfig, OmegaConf

    from ganexp.target import unknown_key

    names = list(getattr(OmegaConf.get_type(node), "__dataclass_fields__", ()))
    for key in map(str, node) if not (node._is_none() or node._is_missing() or node._is_interpolation()) else ():
        if names and key not in names and where != "hydra.sweeper.sampler" and f"{where}.{key}" != "hydra.env":
            raise ConfigError(unknown_key(f"{where}.{key}", names))
        if isinstance(child := node._get_node(key), DictConfig):
            check_hydra(child, f"{where}.{key}")


def _with_arguments(text: str) -> str:
    """An error that names nothing that was typed, with what was typed."""
    typed = [argument for argument in sys.argv[1:] if "=" in argument]
    if not typed or any(argument in text or argument.partition("=")[0].lstrip("+~") in text for argument in typed):
        return text
    words = " ".join(typed)
    return f"{text}\nin the overrides: {words if len(words) <= LONGEST else words[:LONGEST] + ' ...'}"


def _no_option(text: str) -> str | None:
    """For a group that was given null or a number: which group, and what it takes; None for other errors."""
    from ganexp.config import conf_dir

    found = re.search(r"Config group override must be a string or a list\. Got (\w+)", text)
    for key, sign, value in (argument.partition("=") for argument in sys.argv[1:] if found):
        group = key.lstrip("+").partition("@")[0]
        options = sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))
        if sign and (options or group.startswith("hydra")) and re.fullmatch(NO_TEXT, value, re.IGNORECASE):
            expected = "one of " + ", ".join(options) if options else "the name of an option"
            return f"{key}: expected {expected}, got {value}"
    return None


def expected_got(line: str) -> str:
    """OmegaConf's words for a wrong type, with expected and got."""
    if line.endswith("is not Optional"):
        return "expected a value, got null"
    if line.startswith("Missing mandatory value"):
        return "expected a value, got none"
    found = re.match(r"Invalid value assigned: (\w+) is not a ListConfig", line)
    if found:
        return f"expected a list, got a value of type {found[1]}"
    found = re.match(r"Value '(.*)' of type '(.*)' could not be converted to (\w+)", line)
    if found:
        names = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
        return f"expected {names.get(found[3], found[3])}, got {found[1]!r}"
    return line


def suggestion(key: str) -> str:
    """' Did you mean ...?' with the known key nearest to a mistyped one, or the empty string."""
    import difflib

    known = [name for name in known_keys() if name != key]
    whole = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    last = key.rpartition(".")[2]
    by_last = {name.rpartition(".")[2]: name for name in sorted(known, key=lambda n: n.count("."), reverse=True)}
    found = whole or [by_last[name] for name in difflib.get_close_matches(last, list(by_last), n=1, cutoff=0.6)]
    return f" Did you mean {found[0]!r}?" if found else ""


def known_keys() -> list[str]:
    """Every key of the configuration, with the group options that the command line chose where they compose."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from ganexp.config import conf_dir

    choices = [a for a in sys.argv[1:] if re.fullmatch(r"[a-z_/]+=[A-Za-z0-9_-]+", a)]
    for overrides in (choices, []):
        GlobalHydra.instance().clear()
        try:
            with initialize_config_dir(str(conf_dir())):
                return _flatten(compose("config", overrides))
        except Exception as error:
            last = error
    raise ConfigError(f"the configuration does not compose: {last}")


def _flatten(node: object, prefix: str = "") -> list[str]:
    from omegaconf import DictConfig

    if not isinstance(node, DictConfig):
        return [prefix]
    keys = [] if not prefix else [prefix]
    for name in node:
        if name != "hydra" and name != "_target_":
            child = node._get_node(name)
            keys += _flatten(child, f"{prefix}.{name!s}" if prefix else str(name))
    return keys
