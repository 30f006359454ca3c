"""`python -m ganexp.evaluate RUN_DIR`: score finished runs, again or with more metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganexp.cli import reporting, start
from ganexp.files.lease import HeldError
from ganexp.files.run_folder import RunFolder
from ganexp.types.errors import ConfigError, DirectoryError
from ganexp.types.terminal import plain

if TYPE_CHECKING:
    from ganexp.config.run_config import RunConfig
    from ganexp.types import Scores


def main(
    folder: Annotated[Path, typer.Argument(help="Run directory, or sweep directory: all its finished runs.")],
    metrics: Annotated[str | None, typer.Option(help="Option of the group metrics; the run's own if left out.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="'epoch=20'; the run's last epoch if left out.")] = None,
    num_samples: Annotated[int | None, typer.Option(min=2, help="metrics.num_samples.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an evaluation that is not ganexp's own.")] = False,
    trust: Annotated[list[str] | None, typer.Option(help="Pattern of _target_ to trust, e.g. 'mylab.*'.")] = None,
    changed_code: Annotated[
        str, typer.Option(help="Own code that was edited since: 'refuse', or 'same_run' (a comment, a rename).")
    ] = "refuse",
) -> None:
    """Score runs from their generators, without training.

    Scores of the last epoch go into result.json, those of another epoch into evaluations/epoch_<n>.json.
    """
    from ganexp.config.reopen import run_dirs
    from ganexp.files.generator import parse_checkpoint

    with reporting():
        epoch = parse_checkpoint(checkpoint)
        for run in run_dirs(folder):
            scores = evaluate(
                run,
                metrics=metrics,
                epoch=epoch,
                num_samples=num_samples,
                trust=trust or [],
                changed_code=changed_code,
                force=force,
            )
            if scores is None:
                typer.echo(plain(f"{run}: not finished, left alone"))
                continue
            values = "  ".join(f"{name} {value:.4g}" for name, value in scores.values.items())
            typer.echo(plain(f"{run}: {values or 'no metrics'}"))


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
    """Score one run's generator and record the scores.

    Args:
        run: run directory.
        metrics: option of the group `metrics`; None for what the run's configuration names.
        epoch: whose generator; None for the run's last.
        num_samples: how many images; None for what the configuration says.
        trust: patterns of `_target_` to trust beyond ganexp's own.
        force: replace an evaluation that is the user's own, or that the user changed.
        changed_code: of own code, not of metrics, that was edited since: "refuse" or "same_run".

    Returns:
        The scores, or None where the run is not finished and no epoch was named.

    Raises:
        Refused: no such run, checkpoint or metric, or data that the metrics cannot be computed on.
    """
    from ganexp.config.own_code import check, own_code, with_answer
    from ganexp.config.reopen import open_run
    from ganexp.files import owned
    from ganexp.files.checkpoint import load_module
    from ganexp.files.code_record import read_code, write_code
    from ganexp.files.generator import generator_weights
    from ganexp.trainer.build import build_state, derived, make_evaluator
    from ganexp.trainer.compatible import check_together
    from ganexp.trainer.sampling import sampler

    spec = open_run(run, trust)
    check_together(spec.config)
    content = RunFolder(run).finished_result()
    if content is None and epoch is None:
        return None
    apart = content is None or epoch not in (None, content.get("epoch"))
    if apart:
        owned.check(run, {_evaluation(epoch): None}, force=force)
    spec = replace(spec, config=with_metrics(spec.config, metrics, num_samples, trust))
    code = check(run, own_code(spec.config), with_answer(spec.config, changed_code), metrics=False)
    evaluator = make_evaluator(spec)
    if evaluator is None:
        raise ConfigError(f"{run}: the run's configuration measures nothing; name metrics, e.g. --metrics default")
    weights, meta = generator_weights(run, content["epoch"] if content is not None and epoch is None else epoch)
    training = build_state(spec)
    try:
        load_module(training.generator, weights)
    except RuntimeError as error:
        raise DirectoryError(f"{run}: the checkpoint is of another network ({error})") from None
    gan = training.gan
    counts = meta.get("label_counts")
    derived(spec.config, training.device, "scores", int(meta.get("epoch", 0)))
    scores = evaluator.evaluate(
        sampler(training.generator, gan.latent, gan.latent_dim, training.device, label_counts=counts)
    )
    if apart:
        parts = {name: dict(getattr(scores, name)) for name in ("values", "floors", "provenance")}
        text = json.dumps({"epoch": epoch, **parts}, indent=2, allow_nan=False) + "\n"
        owned.write(run, {_evaluation(epoch): text.encode()}, force=force)
    else:
        directions = {name: str(metric.direction) for name, metric in evaluator.metrics.items()}
        _update_result(run, scores, spec.config.metrics.objective, directions)
    if code is not None and (there := read_code(run)) is not None:
        write_code(run, replace(code, metrics={**there.metrics, **code.metrics}))
    return scores


def with_metrics(config: RunConfig, option: str | None, num_samples: int | None, trust: Sequence[str]) -> RunConfig:
    """`config` with another option of the group metrics, or another number of samples.

    Raises:
        ConfigError: no such option, or a metric that is not trusted.
    """
    from ganexp.config.schema import MetricsConfig
    from ganexp.config.target import validate_value, validated

    if option is not None:
        chosen: MetricsConfig = validate_value("metrics", MetricsConfig, _compose_metrics(option))
        scores = {name: validated(f"metrics.scores.{name}", node, trust) for name, node in chosen.scores.items()}
        config = replace(config, metrics=chosen, scores=scores)
    if num_samples is not None:
        config = replace(config, metrics=replace(config.metrics, num_samples=num_samples))
    return config


def _compose_metrics(option: str) -> Any:
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    from ganexp.__main__ import register
    from ganexp.config.hydra_private import GlobalHydra
    from ganexp.config.run_config import conf_dir, options_of

    register()
    GlobalHydra.instance().clear()
    if option not in (options := options_of("metrics")):
        raise ConfigError(f"--metrics: expected one of {', '.join(options)}, got {option!r}")
    try:
        with initialize_config_dir(str(conf_dir().resolve())):
            return OmegaConf.to_container(compose("config", [f"metrics={option}"]).metrics, resolve=True)
    except HydraException as error:
        raise ConfigError(f"--metrics: {error}") from None


def _update_result(run: Path, scores: Scores, objective: str | None, directions: Mapping[str, str]) -> None:
    """Lay new scores over those of result.json as it is now: others may have added theirs in the meantime."""
    try:
        with RunFolder(run).lease():
            content = RunFolder(run).finished_result()
            if content is None:
                raise DirectoryError(f"{run}: expected a finished run, got one that is finished no more")
            RunFolder(run).write_result(_with_scores(content, scores, objective, directions))
    except HeldError as error:
        raise DirectoryError(f"{run}: being worked on by {error}") from None


def _with_scores(
    content: dict[str, Any], scores: Scores, objective: str | None, directions: Mapping[str, str]
) -> dict[str, Any]:
    """result.json with new scores over those that it holds."""
    final = {**content["final"], **scores.values}
    provenance = {**content.setdefault("provenance", {}).get("metrics", {}), **scores.provenance}
    if objective is not None and not content.get("objective"):
        half_a = final.get(f"{objective}_half_a", final.get(objective))
        direction = directions.get(objective, "minimise")
        content["objective"] = {"name": objective, "value": half_a, "half": "A", "direction": direction}
    elif content.get("objective"):
        name = content["objective"]["name"]
        content["objective"]["value"] = final.get(f"{name}_half_a", content["objective"].get("value"))
    content |= {"final": final, "floors": {**content.get("floors", {}), **scores.floors}}
    content["provenance"]["metrics"] = provenance
    return content


def _evaluation(epoch: int | None) -> str:
    """Name below the run directory of the scores of an epoch that is not the last one."""
    return f"evaluations/epoch_{epoch or 0:04d}.json"


if __name__ == "__main__":
    start(main)
