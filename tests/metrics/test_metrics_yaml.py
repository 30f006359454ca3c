import inspect
from collections import Counter
from pathlib import Path

import pytest
import yaml

from ganexp import metrics
from ganexp.metrics import Metric
from helpers import compose_config

CONF = Path(__file__).parents[2] / "conf"
SCORES = sorted(path.stem for path in (CONF / "metrics" / "score").glob("*.yaml"))


@pytest.mark.parametrize("name", SCORES)
def test_each_yaml_is_one_function_with_all_its_parameters_and_defaults(name: str) -> None:
    text = (CONF / "metrics" / "score" / f"{name}.yaml").read_text()
    assert text.startswith(f"# @package metrics.scores.{name}\n")
    node = yaml.safe_load(text)
    assert node.pop("_target_") == f"ganexp.metrics.{name}"
    function = getattr(metrics, name)
    parameters = inspect.signature(function).parameters
    assert node == {key: parameter.default for key, parameter in parameters.items()}
    metric = function(**node)
    assert isinstance(metric, Metric) and metric.direction in ("minimise", "maximise")


def test_ids_are_explicit_and_unique() -> None:
    ids = [option().id for option in metrics.OPTIONS]
    assert None not in ids
    assert [name for name, count in Counter(ids).items() if count > 1] == []


def own() -> Metric:
    return Metric(lambda context: 0.0, "minimise")


def test_an_own_metric_is_identified_by_its_function() -> None:
    assert own().identity == f"{__name__}.own"


@pytest.mark.parametrize(
    ("option", "columns", "objective"),
    [
        ("default", ["cfd", "precision", "recall", "density", "coverage", "rfd"], None),
        ("full", ["cfd", "precision", "recall", "density", "coverage", "rfd", "parzen_ll", "memorization"], None),
        ("inception", ["fid", "kid", "inception_score"], "fid"),
        ("none", [], None),
    ],
)
def test_options_are_composed_of_them(option: str, columns: list[str], objective: str | None) -> None:
    config = compose_config(f"metrics={option}").metrics
    assert list(config.scores) == columns
    assert (config.objective, config.num_samples, config.every_epochs) == (objective, 10_000, None)


def test_metrics_are_chosen_on_the_command_line() -> None:
    config = compose_config("metrics/score=[cfd,memorization]").metrics
    assert list(config.scores) == ["cfd", "memorization"]
