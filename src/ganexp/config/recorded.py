"""The configuration that a run directory records. It may be a stranger's, so nothing in it is called or looked up.

Only plain YAML is read. Interpolations may copy a value of the same configuration, and name the data root; resolvers
(`oc.env` reads the environment) are called only where the caller trusts them by name.
"""

from __future__ import annotations

import fnmatch
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganexp.files.foreign import SMALL, read_text
from ganexp.types.errors import ConfigError, DirectoryError

MOST_INTERPOLATIONS = 1000
MOST_DEEP = 100
MOST_COPIED = 1000  # characters of a list or mapping that an interpolation copies

ONE = re.compile(r"\$\{([^${}]*)\}")
DATA_ROOT = re.compile(r"oc\.env:\s*GANEXP_DATA\s*(,[^,:]*)?")

Key = tuple[str | int, ...]


def configuration(text: str, where: Path, trust: Sequence[str]) -> DictConfig:
    """A recorded configuration: YAML from the file `where`.

    Raises:
        DirectoryError: it is no configuration, or its expansion would be too large.
        ConfigError: it calls a resolver that is not trusted.
    """
    with _reading(text, where, "a readable configuration"):
        config = OmegaConf.create(text)
        if not isinstance(config, DictConfig):
            raise DirectoryError(f"{where}: expected a mapping, got a {type(config).__name__}")
        _check_interpolations(OmegaConf.to_container(config, resolve=False), where, trust)
    return config


def literal(text: str) -> str:
    """`text`, escaped so that OmegaConf reads no interpolation in it."""
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)


def working_directory(text: str, where: Path) -> str:
    """`hydra.runtime.cwd` of a recorded hydra.yaml, the folder that the run was started in; "." where it is missing.

    Raises:
        DirectoryError: it cannot be read.
    """
    with _reading(text, where, "a readable configuration"):
        folder = yaml.safe_load(text).get("hydra").get("runtime").get("cwd")
    return folder if isinstance(folder, str) else "."


def overrides(text: str, where: Path) -> list[str]:
    """The recorded overrides.

    Raises:
        DirectoryError: they are no list of texts.
    """
    with _reading(text, where, "readable"):
        texts = yaml.safe_load(text)
    if not isinstance(texts, list) or not all(isinstance(entry, str) for entry in texts):
        raise DirectoryError(f"{where}: expected a list of overrides, got {str(texts)[:80]!r}")
    return texts


def overrides_in(run: Path) -> tuple[str, ...]:
    """The overrides that a run directory records; () where it has none that can be read."""
    path = run / ".hydra" / "overrides.yaml"
    try:
        return tuple(overrides(read_text(path, SMALL), path))
    except (OSError, ValueError, DirectoryError):
        return ()


def check_text(key: str, text: str, trust: Sequence[str]) -> list[str]:
    """The keys that a text copies values from; refuses a resolver that is not trusted.

    Raises:
        ConfigError: naming `key` and the resolver.
    """
    names = ONE.findall(text)
    if "${" in ONE.sub("", text):
        raise ConfigError(f"{key}: expected plain values in a recorded configuration, got {text!r}")
    for call in names:
        if ":" not in call or DATA_ROOT.fullmatch(call):
            continue
        name = call.partition(":")[0].strip()
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in trust):
            raise ConfigError(
                f"{key}: expected plain values in a recorded configuration, got {text!r}, which calls {name!r}; "
                f"if you trust this directory to do that, say so: 'trust=[{name}]'"
            )
    return [name.strip() for name in names if ":" not in name]


@contextmanager
def _reading(text: str, where: Path, what: str) -> Iterator[None]:
    """Inside, errors of an unreadable text become DirectoryError."""
    try:
        _refuse_bombs(text, where)
        yield
    except (OmegaConfBaseException, yaml.YAMLError, RecursionError, ValueError, AttributeError) as error:
        raise DirectoryError(f"{where}: not {what} ({error})") from None


def _refuse_bombs(text: str, where: Path) -> None:
    """Refuse short YAML that expands to gigabytes (aliases), or that overflows the stack of parsers."""
    brackets = itertools.accumulate((c in "[{") - (c in "]}") for c in text if c in "[]{}")
    if max(brackets, default=0) > MOST_DEEP:
        raise DirectoryError(f"{where}: expected brackets at most {MOST_DEEP} deep")
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > MOST_DEEP:
            raise DirectoryError(f"{where}: expected YAML without aliases, nested at most {MOST_DEEP} deep")


def _check_interpolations(raw: Any, where: Path, trust: Sequence[str]) -> None:
    """Refuse interpolations of interpolations that multiply: ten lines of them stand for gigabytes."""
    texts = [(key, text) for key, text in _texts(raw, ()) if "${" in text]
    if len(texts) > MOST_INTERPOLATIONS:
        raise DirectoryError(f"{where}: expected at most {MOST_INTERPOLATIONS} interpolations, got {len(texts)}")
    for key, text in texts:
        name = ".".join(map(str, key))
        alone = ONE.fullmatch(text) is not None
        for source in check_text(name, text, trust):
            if not _is_plain(_at(raw, _absolute(key, source)), alone):
                raise ConfigError(f"{name}: expected an interpolation of plain values, got {text!r}")


def _is_plain(value: Any, alone: bool) -> bool:
    """Whether copying `value` cannot multiply: a single one, which may copy another where it stands alone, or a few."""
    if isinstance(value, Mapping | list):
        texts = list(_texts(value, ()))
        return len(str(value)) <= MOST_COPIED and not any("${" in text for _, text in texts)
    return alone or "${" not in str(value)


def _texts(value: Any, key: Key) -> Iterator[tuple[Key, str]]:
    if isinstance(value, Mapping):
        for name, child in value.items():
            yield from _texts(name, (*key, "(key)"))
            yield from _texts(child, (*key, name))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from _texts(child, (*key, number))
    elif isinstance(value, str):
        yield key, value


def _absolute(key: Key, source: str) -> Key:
    """The key that an interpolation in the value of `key` names: "a.b[0]", or ".b" beside it, "..b" one further up."""
    dots = len(source) - len(source.lstrip("."))
    parts = tuple(part for part in re.split(r"[.\[\]]+", source) if part)
    return (*key[: len(key) - dots], *parts) if dots else parts


def _at(raw: Any, key: Key) -> Any:
    for part in key:
        if isinstance(raw, Mapping):
            raw = raw.get(part)
        elif isinstance(raw, list) and str(part).isascii() and str(part).isdigit() and int(part) < len(raw):
            raw = raw[int(part)]
        else:
            return None
    return raw
