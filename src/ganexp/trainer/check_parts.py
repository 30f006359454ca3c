"""Before any work, where own code takes part: is what networks, loss and penalty return what a training can use?

One pass forward and back on eight random images, in train and in eval mode, through networks built for that alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ganexp.config.own_code import own_line
from ganexp.config.run_config import RunConfig
from ganexp.config.run_spec import RunSpec
from ganexp.config.target import is_own
from ganexp.trainer.build import build_state, device
from ganexp.trainer.state import TrainState
from ganexp.trainer.step import given, noise, one_each
from ganexp.types import GAN, AdversarialLoss, Penalty
from ganexp.types.errors import ConfigError, Refused
from ganexp.types.rng import derive, reseed

COUNT = 8  # images
SLACK = 1e-3  # by which images may leave [-1, 1]


def check_parts(spec: RunSpec) -> None:
    """Refuse own networks, losses, penalties and augmentations that return something else than a training needs.

    The caller restores the global generators. Networks are built anew, from another seed than the run's.

    Raises:
        ConfigError: what was expected and what was got.
    """
    config = spec.config
    reseed(device(config.trainer.device), derive(config.seed, "check"), everywhere=True)
    with _calling("loss", config):
        loss = config.loss.build()
    with _calling("penalty", config):
        penalty = config.penalty.build()
    _expect("loss", config, "an AdversarialLoss", loss, isinstance(loss, AdversarialLoss))
    _expect("penalty", config, "a Penalty or None", penalty, penalty is None or isinstance(penalty, Penalty))
    with _calling("model", config):
        gan = config.model.build(spec.dataset.image_shape, num_classes=spec.dataset.num_classes)
    _expect("model", config, "a GAN", gan, isinstance(gan, GAN))
    for name in ("generator", "discriminator"):
        net = getattr(gan, name)
        _expect("model", config, f"a torch module as its {name}", net, isinstance(net, nn.Module))
    with _calling("model", config):
        state = build_state(spec)
    shape = spec.dataset.image_shape
    _check_augment(config, shape, state.device)
    labels = torch.arange(COUNT, device=state.device) % state.gan.num_classes if state.gan.num_classes else None
    reals = torch.rand(COUNT, *shape, device=state.device) * 2 - 1
    for training in (False, True):
        for net in (state.generator, state.discriminator):
            net.train(training)
        images = _images(config, state.gan, shape, labels, state.device)
        logits = [_logits(config, state.discriminator, each, labels, loss) for each in (reals, images.detach())]
    _check_losses(config, loss, penalty, state, (reals, images, logits), labels)


def _check_augment(config: RunConfig, shape: tuple[int, ...], where: torch.device) -> None:
    wanted = (COUNT, *shape)
    with _calling("augment", config):
        augment = config.augment.build()
    _expect("augment", config, "a function of images, or None", augment, augment is None or callable(augment))
    if augment is None:
        return
    pixels = torch.rand(wanted, device=where) * 2 - 1
    images = pixels.clone().requires_grad_(True)
    with _calling("augment", config, f"what it returned, given images of shape {wanted},"):
        seen = augment(shown := images * 1)
    if not torch.equal(shown, images):
        _refuse(
            "augment", config, "images of its own, and those that it is given as they were", "these changed in place"
        )
    _expect_floats("augment", config, f"images of shape {wanted}", seen, wanted)
    gradient = None
    if seen.requires_grad:
        (gradient,) = torch.autograd.grad(seen.sum(), images, allow_unused=True)
    if gradient is None or not bool(gradient.isfinite().all()):
        got = "none" if gradient is None else "NaN or infinite values"
        _refuse("augment", config, "images through which a gradient reaches the generator", got)


def _images(config: RunConfig, gan: GAN, shape: tuple[int, ...], labels: Tensor | None, where: torch.device) -> Tensor:
    z = noise(gan, COUNT, where)
    takes = f"z of shape {tuple(z.shape)}{'' if labels is None else f' and labels of shape {tuple(labels.shape)}'}"
    with _calling("model", config, f"its generator, given {takes},"):
        images = given(gan.generator, labels)(z)
    wanted = (COUNT, *shape)
    hint = ""
    if isinstance(images, Tensor) and images.shape != wanted and images.numel() == COUNT * torch.Size(shape).numel():
        hint = f"; nn.Unflatten(1, {shape}) at its end gives it"
    _expect_floats("model", config, f"images of shape {wanted}", images, wanted, hint)
    low, high = (float(bound) for bound in torch.aminmax(images.detach()))
    if low < -1 - SLACK or high > 1 + SLACK:
        _refuse("model", config, "images in [-1, 1]", f"values in {low:.3g} .. {high:.3g}", "; nn.Tanh() at its end")
    if _made_by(images) == "Sigmoid" or (low >= 0 and high > 0):
        got = f"values in {low:.3g} .. {high:.3g}"
        _refuse("model", config, "images in [-1, 1], black at -1", got, "; nn.Tanh() at its end, or 2 * x - 1")
    return images


def _logits(config: RunConfig, net: nn.Module, images: Tensor, labels: Tensor | None, loss: AdversarialLoss) -> Tensor:
    takes = f"images of shape {tuple(images.shape)}{'' if labels is None else ' and labels'}"
    with _calling("model", config, f"its discriminator, given {takes},"):
        logits = given(net, labels)(images)
    logits = one_each(logits) if isinstance(logits, Tensor) else logits
    hint = "; nn.Flatten(), nn.Linear(features, 1) at its end give one" if isinstance(logits, Tensor) else ""
    _expect_floats("model", config, f"one logit an image, shape ({COUNT},)", logits, (COUNT,), hint)
    if loss.probabilistic and _made_by(logits) in ("Sigmoid", "Softmax"):
        hint = "; leave the sigmoid out, the loss has its own"
        _refuse("model", config, "logits, any real numbers", "probabilities", hint)
    return logits


def _check_losses(
    config: RunConfig,
    loss: AdversarialLoss,
    penalty: Penalty | None,
    state: TrainState,
    made: tuple[Tensor, Tensor, list[Tensor]],
    labels: Tensor | None,
) -> None:
    reals, images, (on_real, on_fake) = made
    with _calling("loss", config, "its discriminator's loss"), _no_broadcast("loss", config):
        value = loss.discriminator(on_real.float(), on_fake.float())
    _expect_floats("loss", config, "one number as the discriminator's loss", value, (), "; .mean() gives one")
    _check_gradient("loss", config, value, state.discriminator, "the discriminator")
    on_fake = one_each(given(state.discriminator, labels)(images)).float()
    beside = on_real.detach().float() if loss.generator_uses_real else None
    for generator_loss in filter(None, (loss.generator, loss.warmup_generator)):
        with _calling("loss", config, "its generator's loss"), _no_broadcast("loss", config):
            value = generator_loss(beside, on_fake)
        _expect_floats("loss", config, "one number as the generator's loss", value, (), "; .mean() gives one")
        _check_gradient("loss", config, value, state.generator, "the generator")
    if penalty is not None and penalty.term is not None:
        critic = given(state.discriminator, labels)
        with _calling("penalty", config, "its term"):
            value = penalty.term(critic, reals, images.detach().float())
        _expect_floats("penalty", config, "one number as its term", value, (), "; .mean() gives one")
    if penalty is not None and penalty.constrain is not None:
        with _calling("penalty", config, "its constraint"):
            penalty.constrain(state.discriminator)


def _check_gradient(group: str, config: RunConfig, value: Tensor, net: nn.Module, name: str) -> None:
    weights = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if not value.requires_grad:
        grads: list[Tensor | None] = []
    else:
        grads = list(torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)) if weights else []
    if weights and not any(grad is not None for grad in grads):
        helps = "; a detach(), no_grad() or .item() on the way cuts it off"
        _refuse(_guilty(group, config), config, f"a loss whose gradient reaches {name}", "no gradient", helps)
    if not all(bool(grad.isfinite().all()) for grad in grads if grad is not None):
        _refuse(_guilty(group, config), config, f"finite gradients of {name}", "NaN or infinite ones")


def _guilty(group: str, config: RunConfig) -> str:
    """The loss where it is own code, else the model."""
    return group if is_own(getattr(config, group).path) else "model"


VIEWS = ("View", "Squeeze", "Unsqueeze", "Reshape", "UnsafeView", "Select", "Clone", "ToCopy", "Permute", "Transpose")


def _made_by(values: Tensor) -> str:
    """The name of the function whose result `values` are, but for its shape, as autograd calls it: "Sigmoid"."""
    node = values.grad_fn
    while node is not None:
        name = type(node).__name__.partition("Backward")[0].strip("_")
        if name not in VIEWS or not node.next_functions:
            return name
        node = node.next_functions[0][0]
    return ""


def _expect_floats(
    group: str, config: RunConfig, wanted: str, got: Any, shape: tuple[int, ...], hint: str = ""
) -> None:
    """Refuse anything but finite floating numbers of this shape."""
    _expect(group, config, f"{wanted}, a tensor", got, isinstance(got, Tensor))
    if tuple(got.shape) != shape or not got.is_floating_point():
        of = "" if got.is_floating_point() else f"{got.dtype} "
        _refuse(group, config, wanted, f"{of}shape {tuple(got.shape)}", hint)
    if not bool(got.isfinite().all()):
        _refuse(group, config, f"{wanted}, all finite", "NaN or infinite values")


def _expect(group: str, config: RunConfig, wanted: str, got: Any, holds: bool) -> None:
    if not holds:
        _refuse(group, config, wanted, f"{type(got).__name__}")


def _refuse(group: str, config: RunConfig, expected: str, got: str, hint: str = "") -> None:
    raise ConfigError(f"{group}={getattr(config, group).path}: expected {expected}, got {got}{hint}")


@contextmanager
def _calling(group: str, config: RunConfig, what: str = "it") -> Iterator[None]:
    """Inside, an error becomes a refusal that shows the user's own line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "Using a target size")  # torch's for losses that broadcast
            yield
    except Refused:
        raise
    except Exception as error:
        path = getattr(config, group).path
        line = own_line(error)
        raise ConfigError(f"{group}={path}: {what} raised {type(error).__name__}: {error}{line}") from error


class _Broadcasts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notices when (N,) and (N, 1) meet, whose result is (N, N): every real image with every generated one."""

    seen = False

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        shapes = {tuple(each.shape) for each in args if isinstance(each, Tensor)}
        if isinstance(result, Tensor) and {(COUNT,), (COUNT, 1)} <= shapes and result.shape == (COUNT, COUNT):
            self.seen = True
        return result


@contextmanager
def _no_broadcast(group: str, config: RunConfig) -> Iterator[None]:
    with _Broadcasts() as mode:  # type: ignore[no-untyped-call]
        yield
    if mode.seen:
        got = f"shapes ({COUNT},) and ({COUNT}, 1), which broadcast to ({COUNT}, {COUNT})"
        _refuse(group, config, f"numbers of shape ({COUNT},) as the logits have", got, "; squeeze(1) or new_ones(n)")
