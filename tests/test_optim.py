"""Our optimizers against the classes of torch.optim, bit for bit."""

import pytest
import torch

from ganexp import optim
from ganexp.types.errors import ConfigError

CASES = [
    (optim.adam, torch.optim.Adam, {"betas": (0.5, 0.99)}, {"fused": True}),
    (optim.adam, torch.optim.Adam, {"weight_decay": 0.1, "eps": 1e-3}, {"fused": True}),
    (optim.adamw, torch.optim.AdamW, {"weight_decay": 0.01}, {"fused": True}),
    (optim.rmsprop, torch.optim.RMSprop, {}, {"foreach": True}),
    (optim.rmsprop, torch.optim.RMSprop, {"momentum": 0.5, "alpha": 0.9}, {"foreach": True}),
    (optim.sgd, torch.optim.SGD, {}, {"fused": True}),
    (optim.sgd, torch.optim.SGD, {"momentum": 0.5, "nesterov": True}, {"fused": True}),
    (optim.sgd, torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}, {"fused": True}),
]


def walk(make, start, steps=5):
    parameters = [torch.nn.Parameter(value.clone()) for value in start]
    optimizer = make(parameters)
    for step in range(steps):
        optimizer.zero_grad()
        sum(((p - step) ** 3).sum() for p in parameters).backward()
        optimizer.step()
    return parameters


@pytest.mark.parametrize(("ours", "theirs", "settings", "how"), CASES)
def test_same_steps_as_torch(ours, theirs, settings, how):
    torch.manual_seed(0)
    start = [torch.randn(7, 5), torch.randn(3)]
    found = walk(lambda p: ours(p, lr=1e-2, **settings), start)
    expected = walk(lambda p: theirs(p, lr=1e-2, **settings, **how), start)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_parameter_without_a_gradient_stays():
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizer = optim.adam(parameters, lr=0.1)
    parameters[1].grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(parameters[0], torch.ones(2))
    assert not torch.equal(parameters[1], torch.ones(2))


def test_nesterov_needs_momentum():
    with pytest.raises(ConfigError, match=r"optim\.momentum above 0"):
        optim.sgd([torch.nn.Parameter(torch.ones(1))], nesterov=True)


def test_training_does_not_import_dynamo(ganexp, tmp_path):
    code = (
        "import sys, torch\nfrom ganexp.optim import adam\n"
        "p = torch.nn.Parameter(torch.ones(2)); o = adam([p]); p.sum().backward(); o.step(); o.zero_grad()\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    (tmp_path / "program.py").write_text(code)
    assert ganexp(module="program").returncode == 0
