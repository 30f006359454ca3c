"""Scores of a finished run: its own metrics again, or others, from a generator that it kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from torch import Tensor

from ganexp.config.own_code import check, own_code, with_answer
from ganexp.config.reopen import open_run
from ganexp.config.run_config import RunConfig, composed, options_of
from ganexp.config.run_spec import RunSpec
from ganexp.config.schema import MetricsConfig
from ganexp.config.target import validate_value, validated
from ganexp.files import owned
from ganexp.files.code_record import read_code, write_code
from ganexp.files.generator import generator_weights, load_weights, weights_in
from ganexp.files.lease import HeldError
from ganexp.files.record import Row, best_row, merged
from ganexp.files.run_folder import RunFolder
from ganexp.metrics import Evaluator, same_protocol
from ganexp.trainer.build import build_state, make_evaluator
from ganexp.trainer.columns import Drawn, measured_in, of_other_protocol, replaced, scores_of_kept
from ganexp.trainer.compatible import check_together
from ganexp.trainer.finish import CLOSER, draw_closer
from ganexp.trainer.result import direction_of, objective_of
from ganexp.trainer.sampling import sampler
from ganexp.types import Scores
from ganexp.types.errors import ConfigError, DirectoryError

log = logging.getLogger("ganexp")


class HeldElsewhereError(DirectoryError):
    """Another process is at work on the run."""


@dataclass(frozen=True)
class Asked:
    """What `evaluate` and `rescore` are asked for."""

    metrics: str | None = None  # option of that group; None: the run's own
    epoch: int | None = None  # of the generator; None: the last one of a finished run
    num_samples: int | None = None  # None: the run's own
    trust: Sequence[str] = ()
    force: bool = False  # replace an evaluation file that is the user's own
    changed_code: str = "refuse"  # about own code other than metrics
    again: bool = True  # score a run whose scores are of the present protocol already


def evaluate(run: Path, **asked: Any) -> Scores | None:
    """The scores of `rescore(run, Asked(**asked))`."""
    return rescore(run, Asked(**asked))[0]


def rescore(run: Path, asked: Asked) -> tuple[Scores | None, bool]:
    """Score a run's generator and record the scores: of the last epoch in result.json, of others in evaluations/.

    Where the values of a finished run were made by another protocol, its metrics.csv is scored anew as well, at every
    epoch whose generator is kept, and emptied at others.

    Returns:
        The scores (None: the run is not finished, and no epoch was asked for), and whether they were there already.

    Raises:
        Refused: no such run, checkpoint or metric, or data that does not allow it; HeldElsewhereError is one.
    """
    check_together((spec := open_run(run, asked.trust)).config, spec.identity.content.get("init_from"))
    result, epoch = spec.folder.finished_result(), asked.epoch
    if result is None and epoch is None:
        return None, False
    if apart := result is None or epoch not in (None, result.get("epoch")):
        owned.check(run, {_evaluation(epoch): None}, force=asked.force)
    spec = replace(spec, config=_same_objective(with_metrics(spec.config, asked), result))
    code = check(run, own_code(spec.config), with_answer(spec.config, asked.changed_code), metrics=False)
    if (evaluator := make_evaluator(spec)) is None:
        raise ConfigError(f"{run}: the run's configuration measures nothing; name metrics, e.g. --metrics default")
    recorded = read_code(run)
    same_code = code is None or (recorded is not None and code.metrics.items() <= recorded.metrics.items())
    scored = result is not None and not apart and not asked.again and _is_scored(spec.folder, evaluator)
    if scored and same_code and not _lacks_pictures(spec):
        assert result is not None
        return Scores({name: result["final"][name] for name in evaluator.columns}), True
    score, number = _scorer(spec, evaluator), epoch if result is None or epoch is not None else result["epoch"]
    drawn = score(*generator_weights(run, number))
    scores = drawn.reported(curve := drawn.curve())
    if not apart and _lacks_pictures(spec):
        draw_closer(spec, evaluator, drawn.sample, drawn.epoch)
    if apart:
        _write_apart(run, epoch, scores, asked.force)
    else:
        _update_result(spec, scores, evaluator, _rows_anew(spec.folder, evaluator, score, {number: curve}))
    if code is not None and recorded is not None:
        write_code(run, replace(code, metrics={**recorded.metrics, **code.metrics}))
    return scores, False


def with_metrics(config: RunConfig, asked: Asked) -> RunConfig:
    """`config` with another option of the group metrics, or another number of samples.

    Raises:
        ConfigError: no such option, or a metric that is not trusted.
    """
    if asked.metrics is not None:
        chosen: MetricsConfig = validate_value("metrics", MetricsConfig, compose_metrics(asked.metrics))
        scores = {name: validated(f"metrics.scores.{name}", node, asked.trust) for name, node in chosen.scores.items()}
        config = replace(config, metrics=chosen, scores=scores)
    if asked.num_samples is not None:
        config = replace(config, metrics=replace(config.metrics, num_samples=asked.num_samples))
    return config


def _same_objective(config: RunConfig, result: Mapping[str, Any] | None) -> RunConfig:
    """`config` with the recorded objective where it is measured: both halves of it are then of one protocol."""
    name = ((result or {}).get("objective") or {}).get("name")
    return replace(config, metrics=replace(config.metrics, objective=name)) if name in config.scores else config


def compose_metrics(option: str) -> Any:
    """The node of an option; ganexp must be registered with Hydra (`ganexp.__main__.register`).

    Raises:
        ConfigError: there is no such option.
    """
    from hydra.errors import HydraException

    if option not in (options := options_of("metrics")):
        raise ConfigError(f"--metrics: expected one of {', '.join(options)}, got {option!r}")
    try:
        return OmegaConf.to_container(composed([f"metrics={option}"]).metrics, resolve=True)
    except HydraException as error:
        raise ConfigError(f"--metrics: {error}") from None


def _scorer(spec: RunSpec, evaluator: Evaluator) -> Callable[[dict[str, Tensor], dict[str, Any]], Drawn]:
    """A function from the weights and metadata of a generator of this run to its scores."""
    training = build_state(spec)
    gan = training.gan

    def score(weights: dict[str, Tensor], meta: dict[str, Any]) -> Drawn:
        load_weights(training.generator, weights, spec.directory)
        counts, epoch = meta.get("label_counts"), int(meta.get("epoch", 0))
        sample = sampler(training.generator, gan.latent, gan.latent_dim, training.device, label_counts=counts)
        return Drawn(evaluator, spec.config, sample, epoch)

    return score


def _is_scored(folder: RunFolder, evaluator: Evaluator) -> bool:
    """Whether a finished run has every score of the evaluator, made as it would make them."""
    result, measured, present = folder.result() or {"final": {}}, measured_in(folder), evaluator.provenance
    whole = all(result["final"].get(column) is not None for column in evaluator.columns)
    return whole and all(same_protocol(measured, present, name) for name in present["protocol"])


def _lacks_pictures(spec: RunSpec) -> bool:
    """Whether the metrics ask for pictures that the run has not drawn."""
    return spec.config.metrics.pictures and not all(spec.folder.picture(name).exists() for name in CLOSER)


def _rows(folder: RunFolder) -> list[Row]:
    """metrics.csv; [] where it cannot be read: the result stands without it."""
    try:
        return folder.rows()
    except (OSError, ValueError) as error:
        log.warning("%s; only the last epoch is scored", error)
        return []


def _rows_anew(
    folder: RunFolder, evaluator: Evaluator, score: Callable[..., Drawn], known: Mapping[int | None, Scores]
) -> dict[int, Any]:
    """Scores by epoch, of draw A, for the rows of metrics.csv; {} where those are of the present protocol."""
    rows = _rows(folder)
    if not of_other_protocol(rows, measured_in(folder), evaluator):
        return {}

    def curve(epoch: int, path: Path) -> Mapping[str, float]:
        return (known.get(epoch) or score(*weights_in(path)).curve()).values

    return scores_of_kept(folder, rows, curve)


def _evaluation(epoch: int | None) -> str:
    return f"evaluations/epoch_{epoch or 0:04d}.json"


def _write_apart(run: Path, epoch: int | None, scores: Scores, force: bool) -> None:
    parts = {name: dict(getattr(scores, name)) for name in ("values", "floors", "provenance")}
    text = json.dumps({"epoch": epoch, **parts}, indent=2, allow_nan=False) + "\n"
    owned.write(run, {_evaluation(epoch): text.encode()}, force=force)


def _update_result(spec: RunSpec, scores: Scores, evaluator: Evaluator, by_epoch: dict[int, Any]) -> None:
    """Merge new scores into result.json and metrics.csv as they are now: others may have added theirs in the meantime.

    result.json is first: it says which columns of metrics.csv are unsettled until those are written. The same
    evaluation settles them if this one is killed in between.
    """
    folder = spec.folder
    try:
        with folder.lease() as lease:
            if lease.locked:
                folder.drop_left_over()
            result = folder.finished_result()
            if result is None:
                raise DirectoryError(f"{folder.path}: expected a finished run, got one that is finished no more")
            rows = _rows(folder)
            columns = of_other_protocol(rows, measured_in(folder), evaluator)
            if columns and not by_epoch:
                raise HeldElsewhereError(f"{folder.path}: scored by another process in the meantime; try again")
            rows = replaced(rows, columns, by_epoch)
            result = _with_scores(result, rows, scores, evaluator)
            if columns:
                unsettled = result["provenance"].pop("unsettled", [])
                during = {**result["provenance"], "unsettled": sorted({*unsettled, *columns})}
                folder.write_result({**result, "provenance": during})
                folder.write_rows(rows, list(evaluator.metrics))
                if still := sorted({*unsettled} - {*columns}):
                    result["provenance"]["unsettled"] = still
            folder.write_result(result)
    except HeldError as error:
        raise HeldElsewhereError(f"{folder.path}: being worked on by {error}") from None


def _with_scores(result: dict[str, Any], rows: Sequence[Row], scores: Scores, evaluator: Evaluator) -> dict[str, Any]:
    final = {**result["final"], **scores.values}
    recorded = result.get("objective")
    if recorded:
        recorded["value"] = final.get(f"{recorded['name']}_half_a", recorded.get("value"))
    elif (objective := evaluator.objective) is not None:
        recorded = result["objective"] = objective_of(objective, final, direction_of(evaluator, objective))
    if recorded and rows:
        result["best"] = best_row([*rows[:-1], final], recorded["name"], recorded.get("direction", "minimise"))
    result |= {"final": final, "floors": {**result.get("floors", {}), **scores.floors}}
    provenance = result.setdefault("provenance", {})
    provenance["metrics"] = merged(provenance.get("metrics", {}), scores.provenance)
    return result
