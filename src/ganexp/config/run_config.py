"""From Hydra's DictConfig to the typed configuration of one run, every value checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganexp.config.schema import ChangedCode, Config, MetricsConfig, OwnCodeRandom, Seed, SweepConfig, TrainerConfig
from ganexp.config.target import Target, is_own, validate_value, validated
from ganexp.types.errors import ConfigError, Senseless, suggested, unknown_key
from ganexp.types.schedule import Schedule

# Leading parameters that ganexp supplies (model: the image shape).
RUNTIME_ARGUMENTS = {"dataset": 0, "model": 1, "loss": 0, "penalty": 0, "augment": 0, "logger": 0}

NO_AUGMENT = "ganexp.augment.none"
LATER = {"augment": {"_target_": NO_AUGMENT}, "notes": {}, "changed_code": "refuse", "own_code_random": "refuse"}
"""What configurations of earlier versions lack."""


@dataclass(frozen=True)
class RunConfig:
    """The typed configuration of one run.

    A `Target` is the function of its group with its parameters. Trainer, metrics, sweep and the keys after them are as
    in the schema.
    """

    dataset: Target
    model: Target
    loss: Target
    penalty: Target
    augment: Target
    optim_generator: Target  # with this net's parameters
    optim_discriminator: Target
    schedules_generator: Mapping[str, Schedule]  # parameter of the optimizer -> factor
    schedules_discriminator: Mapping[str, Schedule]
    logger: Target
    scores: Mapping[str, Target]  # column -> metric function
    trainer: TrainerConfig
    metrics: MetricsConfig
    sweep: SweepConfig
    trust: tuple[str, ...]
    seed: int
    changed_code: ChangedCode
    own_code_random: OwnCodeRandom

    @property
    def parts(self) -> tuple[Target, ...]:
        """The functions that take part in training."""
        optimizers = (self.optim_generator, self.optim_discriminator)
        return (self.dataset, self.model, self.loss, self.penalty, self.augment, *optimizers)

    @property
    def own_targets(self) -> tuple[str, ...]:
        """Paths of functions in training that are neither ganexp's nor torch's."""
        return tuple(target.path for target in self.parts if is_own(target.path))

    @property
    def own_metrics(self) -> tuple[str, ...]:
        """Paths of metrics that are not ganexp's."""
        return tuple(target.path for target in self.scores.values() if is_own(target.path))

    @property
    def has_own_code(self) -> bool:
        """Whether anything but ganexp's and torch's own parts makes, or scores, images."""
        return bool(self.own_targets or self.own_metrics)

    @property
    def lr(self) -> float | None:
        """Learning rate of the generator, where the optimizer has one."""
        value = self.optim_generator.params.get("lr")
        return float(value) if isinstance(value, int | float) else None

    @property
    def conditional(self) -> bool:
        """Whether the networks take labels."""
        return bool(self.model.params.get("conditional", False))


def load(cfg: DictConfig, trust: Sequence[str] | None = None) -> RunConfig:
    """Check a configuration that Hydra composed, with or without its `hydra` node, and convert it.

    `trust` replaces the configuration's own, for configurations from elsewhere.

    Raises:
        ConfigError: naming the key, what was expected and what was got.
    """
    return from_plain(plain_values(cfg), trust)


def from_plain(plain: Mapping[str, Any], trust: Sequence[str] | None = None) -> RunConfig:
    """`load` for the result of `plain_values`."""
    keys, plain = list(Config.__dataclass_fields__), {**LATER, **plain}
    if unknown := [key for key in plain if key not in keys]:
        raise ConfigError(unknown_key(unknown[0], keys))
    if missing := [key for key in keys if key not in plain]:
        raise ConfigError(f"{missing[0]}: expected a section of the configuration, got none")
    for group in (*RUNTIME_ARGUMENTS, "optim"):
        if plain[group].get("_target_") is None:
            raise ConfigError(taken_away(group))
    trusted = tuple(plain["trust"] if trust is None else trust)
    trainer: TrainerConfig = validate_value("trainer", TrainerConfig, plain["trainer"])
    metrics: MetricsConfig = validate_value("metrics", MetricsConfig, plain["metrics"])
    groups = {g: validated(g, plain[g], trusted, runtime) for g, runtime in RUNTIME_ARGUMENTS.items()}
    generator, schedules_generator = _optimizer(plain["optim"], "generator", trusted)
    discriminator, schedules_discriminator = _optimizer(plain["optim"], "discriminator", trusted)
    config = RunConfig(
        **groups,
        optim_generator=generator,
        optim_discriminator=discriminator,
        schedules_generator=schedules_generator,
        schedules_discriminator=schedules_discriminator,
        scores={name: validated(f"metrics.scores.{name}", node, trusted) for name, node in metrics.scores.items()},
        trainer=trainer,
        metrics=metrics,
        sweep=validate_value("sweep", SweepConfig, plain["sweep"]),
        trust=trusted,
        seed=validate_value("seed", Seed, plain["seed"]),
        changed_code=validate_value("changed_code", ChangedCode, plain["changed_code"]),
        own_code_random=validate_value("own_code_random", OwnCodeRandom, plain["own_code_random"]),
    )
    _cross_check(config)
    return config


def taken_away(group: str) -> str:
    """The message for a group that has no option."""
    return f"{group}: expected one of {', '.join(options_of(group))}, got none (~{group} takes the whole group away)"


def plain_values(cfg: DictConfig) -> dict[str, Any]:
    """Resolved plain dicts, lists and scalars of everything but the `hydra` node.

    Raises:
        ConfigError: a mandatory value is missing or an interpolation fails.
    """
    from ganexp.config.hydra_private import detach

    try:
        config = cfg
        if "hydra" in cfg:
            config = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
            detach(config)
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(_in_one_line(error, config)) from None
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _in_one_line(error: OmegaConfBaseException, cfg: DictConfig) -> str:
    """The unresolved key, and the reason."""
    from ganexp.config.mistakes import expected_got, shortened

    key = error.full_key or next((str(key) for key in cfg if not _resolves(cfg, str(key))), "the configuration")
    words = expected_got(str(error).strip().splitlines()[0])
    return f"{key}: {shortened(words.replace('a value, got none', f'a value{_wanted(key)}, got none'))}"


def _wanted(key: str) -> str:
    """What a comment says of a key that has to be given, in brackets; "" where no option of its group has one."""
    from ganexp.config.help import meaning

    group, _, name = key.rpartition(".")
    words = meaning(group, "", name).partition(";")[0] if group else ""
    return words and f" ({words})"


def _resolves(cfg: DictConfig, key: str) -> bool:
    try:
        OmegaConf.to_container(OmegaConf.masked_copy(cfg, [key]), resolve=True)
        cfg[key]
    except OmegaConfBaseException:
        return False
    return True


def _optimizer(node: Mapping[str, Any], net: str, trust: tuple[str, ...]) -> tuple[Target, dict[str, Schedule]]:
    """The optimizer of one net, and the schedules of its parameters.

    Parameters under `optim.<net>` replace the group's; `schedule` is ganexp's own key.
    """
    own = node.get(net) or {}
    if not isinstance(own, Mapping):
        raise ConfigError(f"optim.{net}: expected a mapping of parameters, got {own!r}")
    shared = {key: value for key, value in node.items() if key not in ("generator", "discriminator")}
    merged = {**shared, **own, "_target_": node.get("_target_")}
    schedules = validate_value("optim.schedule", dict[str, Schedule], merged.pop("schedule", None) or {})
    moving = {name: schedule for name, schedule in schedules.items() if schedule != Schedule()}
    try:
        target = validated("optim", merged, trust, runtime=1)
        _check_scheduled([*moving, *(name for name in schedules if name not in ("lr", *moving))], target)
        return target, moving
    except ConfigError as error:
        owned = next((key for key in own if str(error).startswith(f"optim.{key}:")), None)
        if owned is None or repr(node.get(owned)) == repr(own[owned]):
            raise
        raise ConfigError(str(error).replace("optim.", f"optim.{net}.", 1)) from None


def _check_scheduled(schedules: Sequence[str], optimizer: Target) -> None:
    numbers = [name for name, value in optimizer.params.items() if type(value) in (int, float)]
    for name in schedules:
        if name not in numbers:
            raise ConfigError(
                f"optim.schedule.{name}: unknown key; expected a number among {optimizer.name}'s parameters: "
                f"{', '.join(numbers)}.{suggested(name, numbers)}"
            )


def _cross_check(config: RunConfig) -> None:
    """Refuse values that are valid alone but not together."""
    objective = config.metrics.objective
    if objective is not None and objective not in config.scores:
        names = ", ".join(config.scores) or "none (metrics=none measures nothing)"
        raise ConfigError(f"metrics.objective: expected one of the metrics {names}, got {objective!r}")
    beyond = [epoch for epoch in config.trainer.milestones if epoch > config.trainer.epochs]
    if beyond:
        raise Senseless(f"trainer.milestones: expected epochs up to {config.trainer.epochs}, got {beyond}")


def conf_dir() -> Path:
    """The folder of the configuration tree: beside the code in the wheel, at the top of a checkout."""
    packaged = Path(__file__).parents[1] / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "conf"


def composed(overrides: Sequence[str]) -> Any:
    """ganexp's own configuration with `overrides`; Hydra's state is left as it is. Raises as Hydra's `compose`.

    ganexp must be registered with Hydra (`ganexp.__main__.register`).
    """
    from hydra import compose, initialize_config_dir

    from ganexp.config.hydra_private import fresh_hydra

    with fresh_hydra(), initialize_config_dir(str(conf_dir().resolve())):
        return compose("config", list(overrides))


def options_of(group: str) -> list[str]:
    """Names of the options that ganexp has for a group; none for other keys."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))
