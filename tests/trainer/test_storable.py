"""What own networks hold is stored and loaded once before any work: soundly, or refused in words."""

import sys
import types

import pytest
import torch
from torch import nn

from ganexp.config.run_config import load
from ganexp.files import checkpoint
from ganexp.trainer.compatible import check_together
from ganexp.trainer.run import execute
from ganexp.types import GAN
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError
from helpers import TINY, compose_config, make_spec


class Flat(nn.Module):
    """A linear network with something more in it."""

    def __init__(self, inputs, outputs, more=None):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        if more is not None:
            more(self)

    def forward(self, x):
        out = self.linear(x.flatten(1))
        return out.tanh().view(-1, 1, 28, 28) if out.shape[1] > 1 else out.squeeze(1)


class Counting(Flat):
    count = 0
    extra = None

    def get_extra_state(self):
        return {"count": self.count, "extra": self.extra}

    def set_extra_state(self, state):
        self.count = state["count"]


def lazy(net):
    net.linear = nn.LazyLinear(784)


def tied(net):
    net.twin = net.linear


def shared(net):
    net.register_buffer("part", net.linear.bias.detach()[3:])


def transposed(net):
    net.linear.weight = nn.Parameter(torch.randn(8, 784).T)


def default_dtype(net):
    torch.set_default_dtype(torch.float64)


CASES = {
    "tied": tied,
    "shared": shared,
    "transposed": transposed,
    "weight_norm": lambda net: nn.utils.parametrizations.weight_norm(net.linear),
    "spectral_norm": lambda net: nn.utils.parametrizations.spectral_norm(net.linear),
    "complex64": lambda net: net.register_buffer("c", torch.ones(3, dtype=torch.complex64)),
    "bool": lambda net: net.register_buffer("c", torch.ones(3, dtype=torch.bool)),
    "lazy": lazy,
    "default_dtype": default_dtype,
    "sparse": lambda net: net.register_buffer("c", torch.eye(3).to_sparse()),
    "quantised": lambda net: net.register_buffer("c", torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8)),
    "complex128": lambda net: net.register_buffer("c", torch.ones(3, dtype=torch.complex128)),
    "old_weight_norm": lambda net: nn.utils.weight_norm(net.linear),
    "old_spectral_norm": lambda net: nn.utils.spectral_norm(net.linear),
}


@pytest.fixture
def own(monkeypatch, no_losses_figure):
    """Overrides of a run whose generator holds what a case puts into it."""
    module = types.ModuleType("mylab_storable")

    def network(image_shape, case: str = "", extra: str = ""):
        generator = Counting(8, 784) if extra else Flat(8, 784, CASES.get(case))
        if extra:
            generator.count = 7
            generator.extra = {1, 2} if extra == "set" else {1: 2} if extra == "keys" else [1, "two"]
        return GAN(generator, Flat(784, 1), 8)

    network.__module__ = module.__name__
    network.__qualname__ = "network"
    module.network = network
    monkeypatch.setitem(sys.modules, module.__name__, module)
    small = [text for text in TINY if not text.startswith("model.")]

    def overrides(*more):
        target = ["~model.conditional", *(f"~model.{name}" for name in MLP), "model._target_=mylab_storable.network"]
        return [*small, *target, "trust=[mylab_storable.*]", "trainer.epochs=1", *more]

    yield overrides
    torch.set_default_dtype(torch.float32)


MLP = (
    *("latent_dim", "latent", "generator_widths", "output_scale", "discriminator_stem", "discriminator_width"),
    *("discriminator_depth", "maxout_units", "maxout_pieces", "activation", "leak", "dropout", "spectral_norm"),
)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("case", ["tied", "shared", "transposed", "weight_norm", "spectral_norm", "complex64", "bool"])
def test_what_can_be_stored_is(own, tmp_path, case):
    spec = make_spec(tmp_path, *own(f"+model.case={case}", "trainer.ema_kimg=1"))
    assert execute(spec).state is State.COMPLETED


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("lazy", r"^model: expected networks whose weights have their shapes.*got generator\.linear\.weight of a lazy"),
        (
            "default_dtype",
            r"^model: expected torch's default dtype to stay float32.*got torch\.float64.*set_default_dtype",
        ),
        ("sparse", r"expected networks and optimizers that a checkpoint can hold.*got generator\.c: "),
        ("quantised", r"expected networks and optimizers that a checkpoint can hold.*got generator\.c: "),
        ("complex128", r"expected networks and optimizers that a checkpoint can hold.*got generator\.c: "),
        ("old_weight_norm", r"expected networks that can be copied.*parametrizations"),
        ("old_spectral_norm", r"expected networks that can be copied.*parametrizations"),
    ],
)
def test_what_cannot_be_stored_is_refused_in_words_before_the_first_step(own, case, words):
    with pytest.raises(ConfigError, match=words):
        check_together(load(compose_config(*own(f"+model.case={case}"))))
    assert torch.get_default_dtype() is torch.float32


def test_an_extra_state_that_is_no_tensor_is_stored_as_json(own, tmp_path):
    spec = make_spec(tmp_path, *own("+model.extra=list"))
    assert execute(spec).state is State.COMPLETED
    (path,) = (spec.directory / "checkpoints").glob("generator_*.safetensors")
    net = Counting(8, 784)
    checkpoint.load_module(net, checkpoint.load(path)[0])
    assert net.count == 7


@pytest.mark.parametrize("extra", ["set", "keys"])
def test_an_extra_state_that_json_does_not_give_back_is_refused(own, extra):
    with pytest.raises(ConfigError, match=r"got generator\._extra_state|got _extra_state"):
        check_together(load(compose_config(*own(f"+model.extra={extra}"))))
