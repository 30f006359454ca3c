"""Hypothesis strategies: overrides of every key of the configuration, right ones and every kind of wrong ones."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from omegaconf import OmegaConf

from ganexp.config.run_config import conf_dir
from ganexp.config.schema import MetricsConfig, SweepConfig, TrainerConfig
from helpers import compose_config

set_hypothesis_home_dir(tempfile.gettempdir())  # nothing of Hypothesis' own in the tree

GROUPS = ("dataset", "model", "loss", "penalty", "augment", "optim", "trainer", "metrics", "logger", "sweep")

SECTIONS = {"trainer": TrainerConfig, "metrics": MetricsConfig, "sweep": SweepConfig}
"""Groups whose keys and defaults the schema has."""

SMALL = {
    "dataset": {"num_images": "48"},
    "trainer": {
        **{"batch_size": "20", "epochs": "1", "d_steps": "2", "threads": "1", "max_steps": "1"},
        **{"sample_images": "4", "samples_every_epochs": "null"},
    },
    "metrics": {"num_samples": "64"},
    "mlp": {
        **{"latent_dim": "8", "generator_widths": "[16]", "discriminator_width": "16", "maxout_units": "8"},
    },
    "mlp_2014": {"latent_dim": "8", "generator_widths": "[16]", "maxout_units": "8"},
    "dcgan": {"latent_dim": "8", "width": "2"},
    "resnet": {"latent_dim": "8", "generator_width": "2", "discriminator_width": "2"},
    "arrays": {"images": "../material/images.npy", "labels": "../material/labels.npy"},
    "image_folder": {"path": "../material/pictures", "image_size": "16"},
}
"""What makes a run small, by group or option; paths are from a case's working directory."""

WRONG = (
    *("abc", "", "''", '" "', "null", "true", "no", "-1", "0", "1.5", "-0.0", "1e400", "-1e400", "nan", "inf", "-inf"),
    *("9" * 30, "-" + "9" * 30, "2147483648", "9223372036854775808", "1e300", "1e38", "1e-320", "0x10", "1_0"),
    *("[]", "[1,2]", "[[1]]", "[a,1,null]", "{}", "{a:1}", "{a:{b:[c]}}", "{_target_:os.system}"),
    *(
        "ü",
        "'日本'",
        "'🙂'",
        "'\u202e'",
        "'a b'",
        "'a\\'b'",
        '"a\nb"',
        "x" * 3000,
        "../up",
        "../material/file",
        "~nobodyhere/x",
    ),
    *(
        "${seed}",
        "${nope.nope}",
        "${oc.env:FAULTS_NOPE}",
        "${oc.env:FAULTS_WORD}",
        "${optim}",
        "${.}",
        "${",
        "${}",
        "${nope:}",
    ),
    *(
        "???",
        "'???'",
        "1,2",
        "choice(1,2)",
        "range(3)",
        "glob(*)",
        "interval(0,1)",
        "shuffle(1,2)",
        "[1",
        "}",
        "$",
        "%s",
        '"',
    ),
)
"""Values that are wrong for nearly every key: types, ranges, numbers at the edges of floats, text, interpolations,
sweeps, syntax."""

WHOLE = (
    *("nothing=1", "nothing.at.all=1", "+new=1", "+model.new=1", "++trainer.new=[1]", "~seed", "~nothing", "~optim.lr"),
    *(
        "~model",
        "~optim.lr=5",
        "nogroup=x",
        "+nogroup=x",
        "+model=mlp",
        "model=mlp,dcgan",
        "model=[mlp,dcgan]",
        "model={}",
    ),
    *(
        "dataset={a:1}",
        "optim@there=adam",
        "experiment=[]",
        "experiment=debug",
        "trainer/x=1",
        "=",
        "=1",
        "seed",
        "seed==1",
    ),
    *(
        "",
        ".",
        "a..b=1",
        "seed =1",
        " seed=1",
        "ü=1",
        "se ed=1",
        "seed:1",
        "+",
        "~",
        "+=1",
        "hydra=5",
        "hydra/launcher=nope",
    ),
    *(
        "optim/schedule=cosine",
        "optim/schedule=nope",
        "penalty/schedule=linear",
        "+metrics/score=fid",
        "metrics/score=[cfd]",
    ),
    *(
        "--nothing",
        "-x",
        "--config-name=nope",
        "--config-dir=nope",
        "--config-path=nope",
        "hydra.run.dir=../material/file",
    ),
    *(
        "hydra.run.dir=../material/file/x",
        "hydra.run.dir=null",
        "hydra.searchpath=[nope]",
        "hydra.job.chdir=5",
        "--experimental-rerun=x",
    ),
)
"""Arguments that are wrong as a whole, or unusual."""


@dataclass(frozen=True)
class Case:
    """A command line.

    Attributes:
        base: overrides that make a run small.
        focus: what is tried, behind them.
    """

    base: tuple[str, ...]
    focus: tuple[str, ...]

    @property
    def arguments(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.base, *self.focus)

    def names(self) -> set[str]:
        """Words one of which a refusal must contain: what was typed, and of what is tried its parts."""
        found = {text.partition("=")[0] if "." in text else text for text in self.base}
        for text in self.focus:
            key, _, value = text.partition("=")
            key = key.strip().lstrip("+~-")
            found |= {key, key.partition("@")[0], *key.split("."), key.split("/")[0], value[:40].strip("'\" ")}
            found.add(text or "''")
        return found - {""}


@cache
def options(group: str) -> tuple[str, ...]:
    """The options of a group."""
    return tuple(sorted(path.stem for path in (conf_dir() / group).glob("*.yaml")))


@cache
def keys_of(group: str, option: str) -> Mapping[str, Any]:
    """Dotted key -> default, of one option of a group, with its schedules and scores."""
    tree = _read(group, option)
    found = dict(_flat(group, {**_schema(group, whole="defaults" not in tree), **tree}))
    for nested in (conf_dir() / group).glob("*/"):
        for each in options(f"{group}/{nested.name}"):
            prefix = f"metrics.scores.{each}" if nested.name == "score" else f"{group}.{nested.name}"
            if nested.name == "score" or any(nested.name in entry for entry in tree.get("defaults", ())):
                found |= dict(_flat(prefix, _read(f"{group}/{nested.name}", each)))
    return found


@cache
def all_keys() -> frozenset[str]:
    """Every key that the strategies know."""
    known = {key for group in GROUPS for option in options(group) for key in keys_of(group, option)}
    return frozenset(known | {"seed", "trust", "notes", "changed_code", "own_code_random", "sweep.own_code"})


@cache
def hydra_keys() -> tuple[str, ...]:
    """The keys of Hydra's own node, but for what runs a sweep or shows help."""
    from hydra import compose

    compose_config()
    node = compose("config", return_hydra_config=True).hydra
    from omegaconf import OmegaConf

    flat = dict(_flat("hydra", OmegaConf.to_container(node, resolve=False)))
    left_out = (
        "hydra.mode",
        "hydra.runtime",
        "hydra.help",
        "hydra.hydra_help",
        "hydra.job_logging",
        "hydra.hydra_logging",
    )
    return tuple(key for key in flat if not key.startswith(left_out))


@st.composite
def cases(draw: st.DrawFn, group: str) -> Case:
    """Command lines that try one group: an option of it, and one to three of its keys or others."""
    chosen = {each: _default(each) for each in GROUPS if each != "sweep"} | {"metrics": "none"}
    if group in chosen:
        chosen[group] = draw(st.sampled_from(options(group)))
    if group in ("loss", "penalty") and draw(st.booleans()):
        chosen |= {"loss": "wgan"}
    count = draw(st.sampled_from((1, 1, 1, 2, 3)))
    focus = tuple(draw(_override(group, chosen)) for _ in range(count))
    taken = {text.partition("=")[0].lstrip("+~") for text in focus}
    base = [f"{each}={option}" for each, option in chosen.items() if each not in taken and option != _default(each)]
    for each, option in chosen.items():
        small = {**SMALL.get(each, {}), **SMALL.get(option, {})}
        small = {key: value for key, value in small.items() if option != "none" or each != "metrics"}
        base += [f"{each}.{key}={value}" for key, value in small.items() if f"{each}.{key}" not in taken]
    return Case(tuple(base), focus)


def _override(group: str, chosen: Mapping[str, str]) -> st.SearchStrategy[str]:
    """One argument."""
    if group == "hydra":
        return st.builds("{}={}".format, st.sampled_from(hydra_keys()), st.sampled_from(WRONG))
    if group == "whole":
        return st.sampled_from(WHOLE)
    keys = {"seed": 0, "trust": []} | (dict(keys_of(group, chosen.get(group, "grid"))) if group != "seed" else {})
    known = sorted(keys)
    right = st.sampled_from(known).flatmap(lambda key: st.sampled_from(_right(keys[key])).map(lambda v: f"{key}={v}"))
    wrong = st.builds("{}={}".format, st.sampled_from(known), st.sampled_from(WRONG))
    forced = st.builds("{}{}={}".format, st.sampled_from(("+", "++")), st.sampled_from(known), st.sampled_from(WRONG))
    mistyped = st.sampled_from([key for key in known if len(key) > 4]).flatmap(_typo).map(lambda key: f"{key}=1")
    removed = st.sampled_from(known).map(lambda key: f"~{key}")
    option = st.builds("{}={}".format, st.just(group), st.sampled_from((*WRONG, "none", "adamm", "nope")))
    return st.one_of(right, right, wrong, wrong, wrong, wrong, forced, mistyped, removed, option)


def _right(default: Any) -> tuple[str, ...]:
    """Values that are right for a key with this default, mostly."""
    if isinstance(default, bool):
        return ("true", "false")
    if isinstance(default, int):
        return ("1", "2", "3", str(min(default, 40)))
    if isinstance(default, float):
        return (repr(default), "0.5", "0.25", "1e-3")
    if isinstance(default, list):
        return ("[16]", "[0.5,0.9]", "[]", "[1]")
    return ("1", "null", "2", "0.5", str(default)) if default is None else (str(default) if default else "''", "word")


def _typo(key: str) -> st.SearchStrategy[str]:
    """A key with a letter left out, doubled or in another case."""
    places = st.integers(min_value=key.rfind(".") + 1, max_value=len(key) - 1)
    changes = st.sampled_from((lambda c: "", lambda c: 2 * c, lambda c: c.upper()))
    return st.builds(lambda i, change: key[:i] + change(key[i]) + key[i + 1 :], places, changes)


def _default(group: str) -> str:
    entries = yaml.safe_load((conf_dir() / "config.yaml").read_text())["defaults"]
    return next(str(entry[group]) for entry in entries if isinstance(entry, dict) and group in entry)


@cache
def _read(group: str, option: str) -> Mapping[str, Any]:
    return yaml.safe_load((conf_dir() / group / f"{option}.yaml").read_text()) or {}


def _schema(group: str, whole: bool) -> dict[str, Any]:
    """The keys and defaults of a section that the schema has; of metrics, scores where an option chooses none."""
    if group not in SECTIONS:
        return {}
    defaults: dict[str, Any] = OmegaConf.to_container(OmegaConf.structured(SECTIONS[group]))
    left_out = ("own_code",) if whole else ("own_code", "scores")
    return {key: value for key, value in defaults.items() if key not in left_out}


def _flat(prefix: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if key == "defaults" or "/" in str(key):
            continue
        if isinstance(value, Mapping) and value:
            yield from _flat(f"{prefix}.{key}", value)
        else:
            yield f"{prefix}.{key}", _number(value)


def _number(value: Any) -> Any:
    """YAML 1.1 reads 1e-4 as text."""
    try:
        return float(value) if isinstance(value, str) and value[:1].isdigit() else value
    except ValueError:
        return value
