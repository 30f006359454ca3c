from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt

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


def test_a_missing_parameter_is_named():
    with pytest.raises(ConfigError, match=r"loss\.rate: expected a value, got none"):
        validated("loss", {"_target_": PATH}, [f"{__name__}.*"], runtime=1)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("os.system", "trust="),
        ("ganexp.loss.nothing", "expected an importable function"),
        ("ganexp.optim.adam", r"expected something that matches ganexp\.loss\.\*"),
        ("ganexp.loss.Tensor", "is defined elsewhere"),
        ("ganexp.loss.softplus", "is defined elsewhere|expected"),
        (None, "expected a dotted path"),
        (7, "expected a dotted path"),
    ],
)
def test_only_what_is_trusted_is_called(target, message):
    with pytest.raises(ConfigError, match=message):
        validated("loss", {"_target_": target}, [])


def test_torch_optimizers_are_trusted_in_optim():
    import torch

    target = validated("optim", {"_target_": "torch.optim.NAdam", "lr": 0.1}, [], runtime=1)
    optimizer = target.build([torch.nn.Parameter(torch.zeros(1))])
    assert optimizer.param_groups[0]["lr"] == 0.1
