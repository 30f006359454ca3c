import importlib
from typing import Annotated, Literal

import pytest
import yaml
from annotated_types import Ge, Gt

from ganexp.config.run_config import conf_dir
from ganexp.config.target import validated
from ganexp.types.errors import ConfigError


def sample(
    runtime, *, count: Annotated[int, Ge(1)] | None = 3, rate: Annotated[float, Gt(0)], kind: Literal["a", "b"] = "a"
):
    return runtime, count, rate, kind


PATH = f"{__name__}.sample"


def check(**params):
    return validated("loss", {"_target_": PATH, "rate": 0.5, **params}, [f"{__name__}.*"], runtime=1)


def test_values_are_converted_and_defaults_filled_in():
    target = check(rate=2)
    assert target.params == {"count": 3, "rate": 2.0, "kind": "a"}
    assert isinstance(target.params["rate"], float)
    assert target.name == "sample"
    assert target.build("given") == ("given", 3, 2.0, "a")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"count": 0}, r"loss\.count: expected a value greater than or equal to 1, got 0"),
        ({"count": "abc"}, r"loss\.count: expected a valid integer.*got 'abc'"),
        ({"count": True}, r"loss\.count: expected a number, got True"),
        ({"rate": -1}, r"loss\.rate: expected a value greater than 0, got -1"),
        ({"kind": "c"}, r"loss\.kind: expected 'a' or 'b', got 'c'"),
        ({"cuont": 1}, r"loss\.cuont: unknown key; loss takes count, rate, kind\. Did you mean 'count'\?"),
        ({"runtime": 1}, r"loss\.runtime: unknown key"),
    ],
)
def test_bad_parameters_are_refused_with_key_expected_and_got(params, message):
    with pytest.raises(ConfigError, match=message):
        check(**params)


def test_a_key_of_the_default_option_that_is_off_is_not_given_to_another_function():
    assert "label_smoothing" not in check(label_smoothing=0.0).params
    with pytest.raises(ConfigError, match=r"loss\.label_smoothing: unknown key"):
        check(label_smoothing=0.1)


def test_a_missing_parameter_is_named():
    with pytest.raises(ConfigError, match=r"loss\.rate: expected a value, got none"):
        validated("loss", {"_target_": PATH}, [f"{__name__}.*"], runtime=1)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("os.system", "trust="),
        ("ganexp.loss.nothing", r"expected one of ganexp\.loss: .*hinge, .*; got 'ganexp\.loss\.nothing'\."),
        ("ganexp.loss.hing", r"got 'ganexp\.loss\.hing'\. Did you mean 'hinge'\?"),
        ("ganexp.optim.adam", r"expected something that matches ganexp\.loss\.\*"),
        ("ganexp.loss.Tensor", r"expected one of ganexp\.loss: .*; got 'ganexp\.loss\.Tensor'"),
        ("ganexp.loss.softplus", r"expected one of ganexp\.loss"),
        (None, "expected a dotted path"),
        (7, "expected a dotted path"),
    ],
)
def test_only_what_is_trusted_is_called(target, message):
    with pytest.raises(ConfigError, match=message):
        validated("loss", {"_target_": target}, [])


@pytest.mark.parametrize(
    ("group", "target"),
    [
        ("optim", "ganexp.optim.FunctionalOptimizer"),
        ("optim", "ganexp.optim.optimizers.FunctionalOptimizer"),
        ("logger", "ganexp.logger.Logger"),
        ("metrics.scores.x", "ganexp.metrics.Evaluator"),
        ("model", "ganexp.model.networks.mlp"),
        ("dataset", "ganexp.dataset.OPTIONS"),
    ],
)
def test_of_ganexps_own_only_options_are_called(group, target):
    package = f"ganexp.{group.partition('.')[0]}"
    with pytest.raises(ConfigError, match=rf"{group}\._target_: expected one of {package}: .*; got '{target}'"):
        validated(group, {"_target_": target}, [])


@pytest.mark.parametrize("group", ["dataset", "model", "loss", "penalty", "augment", "optim", "logger", "metrics"])
def test_each_option_has_a_yaml_and_each_yaml_an_option(group):
    folder = conf_dir() / group / ("score" if group == "metrics" else "")
    targets = {yaml.safe_load(path.read_text())["_target_"] for path in folder.glob("*.yaml")}
    options = importlib.import_module(f"ganexp.{group}").OPTIONS
    assert targets == {f"ganexp.{group}.{option.__name__}" for option in options}
    assert len(targets) == len(options)


def test_torch_optimizers_are_trusted_in_optim():
    import torch

    target = validated("optim", {"_target_": "torch.optim.NAdam", "lr": 0.1}, [], runtime=1)
    optimizer = target.build([torch.nn.Parameter(torch.zeros(1))])
    assert optimizer.param_groups[0]["lr"] == 0.1
