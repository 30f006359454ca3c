"""`ganexp --help`: what it says of each key and preset stands in the schema and in the options' files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from annotated_types import Ge, Gt, Le, Len, Lt

from ganexp.config import schema
from ganexp.config.annotations import in_words, ranges_of
from ganexp.config.help import PRESETS, comments_of, first_comment, help_text, keys_of
from ganexp.config.run_config import conf_dir, options_of
from ganexp.config.target import validate_value
from ganexp.types.bounds import PositiveInt, Probability
from ganexp.types.errors import ConfigError
from helpers import compose_config


def composed(*overrides: str) -> object:
    from hydra import compose

    compose_config()
    return compose("config", list(overrides), return_hydra_config=True)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (PositiveInt, "1 or more"),
        (Probability | None, "0 or more, below 1 or null"),
        (Annotated[float, Gt(0), Le(3.5)], "above 0, at most 3.5"),
        (Annotated[int, Ge(-2), Le(10_000)], "-2 to 10,000"),
        (Annotated[int, Lt(7)], "below 7"),
        (Literal["a", "b"] | None, "a, b or null"),
        (Annotated[tuple[Probability, ...], Len(2, 2)], "list of 2: 0 or more, below 1"),
        (list[str], "list: text"),
        (bool, "true, false"),
        (float | None, "number or null"),
        (dict[str, int], ""),
    ],
)
def test_ranges_in_words(annotation: object, words: str) -> None:
    assert in_words(annotation) == words


def test_a_range_is_what_is_refused_outside_of_it() -> None:
    assert ranges_of("ganexp.model.mlp")["dropout"] == "0 or more, below 1"
    for value, fits in ((-0.1, False), (0.0, True), (0.99, True), (1.0, False)):
        try:
            compose_config(f"model.dropout={value}") and validate_value("model.dropout", Probability, value)
        except ConfigError:
            assert not fits
        else:
            assert fits


def files(group: str) -> list[Path]:
    return sorted((conf_dir() / group).glob("*.yaml"))


@pytest.mark.parametrize(
    "group", ["dataset", "model", "loss", "penalty", "augment", "optim", "logger", "metrics/score"]
)
def test_every_key_of_every_option_has_a_meaning_and_a_range(group: str) -> None:
    meanings = {key for path in files(group) for key in comments_of(path.read_text())}
    for path in files(group):
        node = yaml.safe_load(path.read_text())
        keys = {
            key for key, value in node.items() if key not in ("_target_", "defaults") and not isinstance(value, dict)
        }
        assert keys <= meanings, path
        ranges = ranges_of(node["_target_"])
        assert all(ranges[key] for key in keys - {"name"}), path


def test_every_key_of_the_schema_has_a_meaning_and_the_internal_ones_are_hidden() -> None:
    keys = {key.name: key for key in keys_of(composed())}
    for section in (schema.TrainerConfig, schema.MetricsConfig, schema.SweepConfig):
        name = section.__name__.removesuffix("Config").lower()
        expected = {f"{name}.{field}" for field in section.__dataclass_fields__} - {*schema.INTERNAL, "metrics.scores"}
        assert expected <= set(keys)
    assert not set(keys) & set(schema.INTERNAL)
    assert all(name in schema.SweepConfig.__dataclass_fields__ for _, name in (i.split(".") for i in schema.INTERNAL))
    assert [name for name, key in keys.items() if not key.meaning] == []
    assert keys["trainer.d_steps"].range == "1 to 1,000"
    assert keys["trainer.d_steps"].default == "5"
    assert keys["model.generator_widths"].default == "[512,1024]"


def test_the_defaults_are_those_beside_the_overrides() -> None:
    keys = {key.name: key for key in keys_of(composed("model=resnet", "optim=rmsprop", "seed=3"))}
    assert (keys["model.blocks"].default, keys["seed"].default) == ("1", "3")
    assert keys["optim.alpha"].meaning
    assert "model.maxout_units" not in keys


def test_the_help_fits_the_terminal_and_shows_each_preset_with_its_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = help_text(composed(), {"status": "what runs"})
    assert max(map(len, text.splitlines())) <= 88  # a heading
    flat = " ".join(text.split())
    for group in PRESETS:
        for name in options_of(group):
            assert first_comment(group, name)
            assert f"{group}={name} {' '.join(first_comment(group, name).split())}" in flat
    assert "status what runs" in flat
    assert len(re.findall(r"^  ganexp", text, re.MULTILINE)) == 3  # examples


def test_comments_beside_and_before_a_key() -> None:
    source = "# of all\n\na: 1 # one\n# two\n# lines\nb: x\nc: 'a # b'\nclass X:\n    d: int = 3  # three\n"
    assert comments_of(source) == {"a": "one", "b": "two lines", "c": "b'", "d": "three"}
