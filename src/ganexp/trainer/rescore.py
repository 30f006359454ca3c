"""Scores of a finished run: its own metrics again, or others, from a generator that it kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ganexp.config.own_code import check, own_code, with_answer
from ganexp.config.reopen import open_run
from ganexp.config.run_config import RunConfig, conf_dir, options_of
from ganexp.config.run_spec import RunSpec
from ganexp.config.schema import MetricsConfig
from ganexp.config.target import validate_value, validated
from ganexp.files import owned
from ganexp.files.code_record import read_code, write_code
from ganexp.files.generator import generator_weights, load_weights
from ganexp.files.lease import HeldError
from ganexp.files.run_folder import RunFolder
from ganexp.metrics import Evaluator
from ganexp.trainer.build import build_state, make_evaluator, reseed_for_own_code
from ganexp.trainer.compatible import check_together
from ganexp.trainer.result import direction_of, objective_of
from ganexp.trainer.sampling import sampler
from ganexp.types import Scores
from ganexp.types.errors import ConfigError, DirectoryError


def evaluate(
    run: Path,
    *,
    metrics: str | None = None,
    epoch: int | None = None,
    num_samples: int | None = None,
    trust: Sequence[str] = (),
    force: bool = False,
    changed_code: str = "refuse",
) -> Scores | None:
    """Score a run's generator and record the scores: of the last epoch in result.json, of others in evaluations/.

    `metrics` is an option of that group; None, as for `num_samples`, takes the run's own. `epoch` names the generator;
    None is the last of a finished run; an unfinished run is not scored (None). `force` replaces an evaluation file that
    is the user's own. `changed_code` is about own code other than metrics.

    Raises:
        Refused: no such run, checkpoint or metric, or data that does not allow it.
    """
    check_together((spec := open_run(run, trust)).config)
    result = spec.folder.finished_result()
    if result is None and epoch is None:
        return None
    if apart := result is None or epoch not in (None, result.get("epoch")):
        owned.check(run, {_evaluation(epoch): None}, force=force)
    spec = replace(spec, config=with_metrics(spec.config, metrics, num_samples, trust))
    code = check(run, own_code(spec.config), with_answer(spec.config, changed_code), metrics=False)
    scores, evaluator = _score(spec, epoch if epoch is not None or result is None else result["epoch"])
    if apart:
        _write_apart(run, epoch, scores, force)
    else:
        _update_result(spec.folder, scores, spec.config.metrics.objective, evaluator)
    if code is not None and (recorded := read_code(run)) is not None:
        write_code(run, replace(code, metrics={**recorded.metrics, **code.metrics}))
    return scores


def with_metrics(config: RunConfig, option: str | None, num_samples: int | None, trust: Sequence[str]) -> RunConfig:
    """`config` with another option of the group metrics, or another number of samples.

    Raises:
        ConfigError: no such option, or a metric that is not trusted.
    """
    if option is not None:
        chosen: MetricsConfig = validate_value("metrics", MetricsConfig, _compose_metrics(option))
        scores = {name: validated(f"metrics.scores.{name}", node, trust) for name, node in chosen.scores.items()}
        config = replace(config, metrics=chosen, scores=scores)
    if num_samples is not None:
        config = replace(config, metrics=replace(config.metrics, num_samples=num_samples))
    return config


def _compose_metrics(option: str) -> Any:
    """The node of an option; ganexp must be registered with Hydra (`ganexp.__main__.register`)."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException

    from ganexp.config.hydra_private import GlobalHydra

    GlobalHydra.instance().clear()
    if option not in (options := options_of("metrics")):
        raise ConfigError(f"--metrics: expected one of {', '.join(options)}, got {option!r}")
    try:
        with initialize_config_dir(str(conf_dir().resolve())):
            return OmegaConf.to_container(compose("config", [f"metrics={option}"]).metrics, resolve=True)
    except HydraException as error:
        raise ConfigError(f"--metrics: {error}") from None


def _score(spec: RunSpec, epoch: int | None) -> tuple[Scores, Evaluator]:
    """The scores of the generator of an epoch (None: the newest), and their evaluator."""
    evaluator = make_evaluator(spec)
    if evaluator is None:
        raise ConfigError(
            f"{spec.directory}: the run's configuration measures nothing; name metrics, e.g. --metrics default"
        )
    weights, meta = generator_weights(spec.directory, epoch)
    training = build_state(spec)
    load_weights(training.generator, weights, spec.directory)
    gan, counts = training.gan, meta.get("label_counts")
    reseed_for_own_code(spec.config, training.device, "scores", int(meta.get("epoch", 0)))
    sample = sampler(training.generator, gan.latent, gan.latent_dim, training.device, label_counts=counts)
    return evaluator.evaluate(sample), evaluator


def _evaluation(epoch: int | None) -> str:
    return f"evaluations/epoch_{epoch or 0:04d}.json"


def _write_apart(run: Path, epoch: int | None, scores: Scores, force: bool) -> None:
    parts = {name: dict(getattr(scores, name)) for name in ("values", "floors", "provenance")}
    text = json.dumps({"epoch": epoch, **parts}, indent=2, allow_nan=False) + "\n"
    owned.write(run, {_evaluation(epoch): text.encode()}, force=force)


def _update_result(folder: RunFolder, scores: Scores, objective: str | None, evaluator: Evaluator) -> None:
    """Merge new scores into result.json as it is now: others may have added theirs in the meantime."""
    try:
        with folder.lease():
            result = folder.finished_result()
            if result is None:
                raise DirectoryError(f"{folder.path}: expected a finished run, got one that is finished no more")
            folder.write_result(_with_scores(result, scores, objective, evaluator))
    except HeldError as error:
        raise DirectoryError(f"{folder.path}: being worked on by {error}") from None


def _with_scores(result: dict[str, Any], scores: Scores, objective: str | None, evaluator: Evaluator) -> dict[str, Any]:
    final = {**result["final"], **scores.values}
    provenance = {**result.setdefault("provenance", {}).get("metrics", {}), **scores.provenance}
    recorded = result.get("objective")
    if recorded:
        recorded["value"] = final.get(f"{recorded['name']}_half_a", recorded.get("value"))
    elif objective is not None:
        result["objective"] = objective_of(objective, final, direction_of(evaluator, objective))
    result |= {"final": final, "floors": {**result.get("floors", {}), **scores.floors}}
    result["provenance"]["metrics"] = provenance
    return result
