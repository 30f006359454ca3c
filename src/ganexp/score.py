"""`python -m ganexp.score IMAGES --dataset NAME`: score images that any program made; from Python `score_images`."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganexp.cli import reporting, start
from ganexp.metrics import words
from ganexp.types.errors import ConfigError, DataError, suggested
from ganexp.types.terminal import columns, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ganexp.config.run_config import RunConfig
    from ganexp.dataset.given import Given, Range
    from ganexp.metrics import Metric
    from ganexp.types import Dataset, ImageShape

log = logging.getLogger("ganexp")

SETTABLE = ("dataset.", "+dataset.", "trust=", "trainer.device=")  # what overrides may be about


def main(
    images: Annotated[Path, typer.Argument(help=".npy, .npz, or a folder or .zip of pictures.", metavar="IMAGES")],
    dataset: Annotated[str, typer.Option(help="Option of the group dataset: whose held-out images to compare with.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Keys of the dataset: dataset.root=/data", metavar="KEY=VALUE")
    ] = None,
    num_samples: Annotated[int | None, typer.Option(min=2, help="How many images to score, at most.")] = None,
    metrics: Annotated[str, typer.Option(help="Option of the group metrics.")] = "default",
    range_: Annotated[
        str | None, typer.Option("--range", help="Values of black and white in floating images: 0,1 or -1,1.")
    ] = None,
    array: Annotated[
        str | None, typer.Option(help="Name of the array in an .npz that holds several of images.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Score images from any program against a data set's held-out images, beside what real images reach (the floor)."""
    with reporting(), _messages():
        scores = score_images(
            images,
            dataset,
            num_samples=num_samples,
            metrics=metrics,
            value_range=_parse_range(range_),
            array=array,
            overrides=overrides or (),
        )
    typer.echo(json.dumps(scores, indent=2, allow_nan=False) if as_json else "\n".join(_table(scores)))


def score_images(
    images: Any,
    dataset: str = "mnist",
    *,
    num_samples: int | None = None,
    metrics: str = "default",
    value_range: Range | None = None,
    array: str | None = None,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Score images that any program made against a dataset's held-out images of the same size.

    Args:
        images: an array or tensor of at least 2 images, (N, C, H, W), (N, H, W, C) or, of grey ones, (N, H, W); uint8,
            or floating with `value_range`; or the path of such an .npy or .npz, or of a folder or .zip of pictures.
        dataset: option of the group dataset.
        num_samples: how many images to score, at most; None: as many as half B has. Of more, a fixed random choice.
        metrics: option of the group metrics. Metrics that need labels are left out.
        value_range: the values of black and white in floating images, such as (0, 1).
        array: name of the array in an .npz of several.
        overrides: keys of the dataset, such as "dataset.root=/data".

    Returns:
        "dataset"; "num": images scored; "protocol": column -> digest, equal where values may be compared; "metrics":
        column -> value on half B; "floors": column -> the same of as many real images; "word": the distance's.

    Raises:
        Refused: no such option, or images that are not as described.
    """
    from ganexp.config.run_spec import load_dataset
    from ganexp.dataset.given import read_images

    config = _configuration(dataset, metrics, overrides)
    shape = _known_shape(config)
    data = None if shape else load_dataset(config.dataset)  # where it can be, images are refused before data is made
    given = read_images(images, shape or data.image_shape, value_range, array)  # type: ignore[union-attr]
    if num_samples is not None and not 2 <= num_samples <= len(given):
        raise ConfigError(f"--num-samples: expected 2 to {len(given)}, the images of {given.name}, got {num_samples}")
    chosen = _metrics_of(config, given, num_samples or len(given))
    return _scored(given, num_samples or len(given), data or load_dataset(config.dataset), chosen, config)


def _scored(
    given: Given, count: int, dataset: Dataset, metrics: Mapping[str, Metric], config: RunConfig
) -> dict[str, Any]:
    import torch

    from ganexp.dataset.load import permutation
    from ganexp.metrics import Evaluator
    from ganexp.trainer.build import device

    order: NDArray[Any] = permutation(len(given))  # a folder may be sorted by class

    def sample(number: int) -> Tensor:
        if number > len(given):
            raise DataError(f"{given.name}: expected {number} images for one of the metrics, got {len(given)}")
        return torch.from_numpy(given.floats(order[:number]))

    where = device(config.trainer.device)
    evaluator = Evaluator(dataset, metrics, num_samples=count, objective=None, device=where)
    if not evaluator.metrics:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in evaluator.left_out.items())
        raise ConfigError(f"--metrics: expected metrics that apply to {dataset.name}, got {reasons}")
    evaluator.prepare()
    num = evaluator.provenance["num_samples"]
    log.info("scoring %d of %d images against as many real ones (%s)", num, len(given), dataset.reference_origin)
    scores = evaluator.evaluate(sample)
    return {
        "dataset": dataset.name,
        "num": num,
        "protocol": {name: scores.provenance["protocol"][name] for name in evaluator.metrics},
        "metrics": {name: scores.values[name] for name in scores.floors},  # nothing is chosen by half A here
        "floors": dict(scores.floors),
        "word": words.first_word(scores.values, scores.floors, scores.provenance),
    }


def _configuration(dataset: str, metrics: str, overrides: Sequence[str]) -> RunConfig:
    """ganexp's own configuration with these options; the state of a Hydra program that calls this is left as it is."""
    from ganexp.__main__ import configuration
    from ganexp.config.run_config import options_of

    for group, option in (("dataset", dataset), ("metrics", metrics)):
        if option not in (options := options_of(group)):
            expected = ", ".join(options)
            raise ConfigError(f"--{group}: expected one of {expected}, got {option!r}.{suggested(option, options)}")
    for override in overrides:
        if not override.startswith(SETTABLE):
            raise ConfigError(f"{override}: expected a key of the dataset, such as dataset.root=/data")
    return configuration([f"dataset={dataset}", f"metrics={metrics}", *overrides])


def _known_shape(config: RunConfig) -> ImageShape | None:
    """The shape of the images of a named dataset; None: only its loading tells."""
    from ganexp.dataset.named import CHANNELS

    if config.dataset.path != f"ganexp.dataset.{config.dataset.name}" or config.dataset.name not in CHANNELS:
        return None
    size = int(config.dataset.params["image_size"])
    return CHANNELS[config.dataset.name], size, size


def _metrics_of(config: RunConfig, given: Given, count: int) -> dict[str, Metric]:
    """The metrics that images without labels can have; the others are told with the reason."""
    metrics: dict[str, Metric] = {name: target.build() for name, target in config.scores.items()}
    left_out = {}
    for name, metric in metrics.items():
        if metric.labelled:
            left_out[name] = "the images come without labels"
        elif metric.unquantised > (0 if given.quantised else len(given)):
            left_out[name] = f"it needs {metric.unquantised} images that are not rounded to 8 bits"
        elif (neighbours := metric.settings.get("k", 1)) >= count:
            raise DataError(f"{given.name}: expected more than {neighbours} images for {name}, got {count}")
    for name, reason in left_out.items():
        log.info("metric %s left out: %s", name, reason)
    if not (kept := {name: metric for name, metric in metrics.items() if name not in left_out}):
        raise ConfigError(f"--metrics: expected metrics of images, got {', '.join(left_out) or 'none'}")
    return kept


def _parse_range(text: str | None) -> Range | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low, high = math.nan, math.nan
    if not -math.inf < low < high < math.inf:
        raise ConfigError(f"--range: expected two numbers, those of black and white, such as 0,1; got {text!r}")
    return low, high


def _table(scores: Mapping[str, Any]) -> Iterator[str]:
    """The lines of the table for people."""
    yield plain(f"{scores['dataset']}, {scores['num']} images; floor: as many real images")
    rows = [("metric", "value", "floor", "")]
    for name, value in scores["metrics"].items():
        said = scores["word"] if name in words.OBJECTIVES else None
        rows.append((name, f"{value:.4g}", f"{scores['floors'][name]:.4g}", said or ""))
    yield from columns(rows)


@contextmanager
def _messages() -> Iterator[None]:
    """Inside, what is being done, and what is left out, is written to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("ganexp: %(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


if __name__ == "__main__":
    start(main)
