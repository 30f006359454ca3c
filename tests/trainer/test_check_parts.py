"""Own parts that return what no training can use: said in words before any work; the targets are in this module."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
import torch
from torch import nn

from ganexp.config.run_spec import load_dataset
from ganexp.config.target import Target
from ganexp.penalty import squared_gradient
from ganexp.trainer.build import evaluator_for
from ganexp.trainer.check_parts import check_parts
from ganexp.trainer.rehearsal import rehearsed, untouched
from ganexp.types import GAN, AdversarialLoss, Dataset, Penalty
from ganexp.types.errors import ConfigError, DataError
from helpers import TINY, make_spec

PLAIN = (*(text for text in TINY if not text.startswith("model.")), "model=mlp", "trust=[test_check_parts*]")


def gan(shape, *, g_end=nn.Tanh, d_end=nn.Identity, outputs=1, flat=False, latent=4, g_in=4):
    size = int(np.prod(shape))
    ends = [g_end()] if flat else [g_end(), nn.Unflatten(1, tuple(shape))]
    generator = nn.Sequential(nn.Linear(g_in, size), *ends)
    last = [] if outputs == -1 else [nn.Flatten(0)] if outputs == 1 else []
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(size, abs(outputs)), d_end(), *last)
    return GAN(generator, discriminator, latent)


def good(shape):
    return gan(shape)


def column(shape):
    return gan(shape, outputs=-1)


def flat_images(shape):
    return gan(shape, flat=True)


def bright(shape):
    return gan(shape, g_end=nn.Sigmoid)


class Loud(nn.Module):
    def forward(self, x):
        return 50 * x


def unbounded(shape):
    return gan(shape, g_end=Loud)


def ten_logits(shape):
    return gan(shape, outputs=10)


def probabilities(shape):
    return gan(shape, d_end=nn.Sigmoid)


def other_z(shape):
    return gan(shape, g_in=7)


class Nan(nn.Module):
    def forward(self, x):
        return x / 0 * 0


def nan_logits(shape):
    return gan(shape, d_end=Nan)


class InTraining(nn.Module):
    def forward(self, x):
        return x.new_zeros(3) if self.training else x


def other_in_training(shape):
    return gan(shape, d_end=InTraining)


class Detached(nn.Module):
    def forward(self, x):
        return x.detach().tanh()


def no_gradient(shape):
    return gan(shape, g_end=Detached)


def raising(shape):
    return gan(shape, latent=[].index(3))


def no_gan(shape):
    return nn.Linear(2, 2)


MODELS = {
    "flat_images": r"images of shape \(8, 1, 28, 28\), got shape \(8, 784\); nn.Unflatten\(1, \(1, 28, 28\)\)",
    "bright": r"images in \[-1, 1\], black at -1, got values in .*; nn.Tanh\(\)",
    "unbounded": r"images in \[-1, 1\], got values in .*; nn.Tanh\(\) at its end",
    "ten_logits": r"one logit an image, shape \(8,\), got shape \(8, 10\)",
    "probabilities": "logits, any real numbers, got probabilities; leave the sigmoid out",
    "other_z": r"its generator, given z of shape \(8, 4\), raised RuntimeError: mat1 and mat2",
    "nan_logits": "all finite, got NaN or infinite values",
    "other_in_training": r"one logit an image, shape \(8,\), got shape \(3,\)",
    "no_gradient": "a loss whose gradient reaches the generator, got no gradient",
    "raising": r"raised ValueError: .*\n  .*test_check_parts.py, line \d+: return gan\(shape, latent=\[\].index\(3\)\)",
    "no_gan": "expected a GAN, got Linear",
}


def loss(real=lambda x: (1 - x).relu().mean(), fake=lambda x: (1 + x).relu().mean(), g=lambda x: -x.mean()):
    return AdversarialLoss(lambda r, f: real(r) + fake(f), lambda r, f: g(f), probabilistic=False)


def unreduced():
    return loss(real=lambda x: -x, fake=lambda x: x)


def broadcast():
    return loss(real=lambda x: (x - torch.ones(len(x), 1)).square().mean())


def warned_broadcast():
    return loss(real=lambda x: nn.functional.mse_loss(x, torch.ones(len(x), 1)))


def items():
    return loss(g=lambda x: float(-x.mean()))


def infinite():
    return loss(g=lambda x: (-x.mean()) / 0)


def plain_function():
    return lambda r, f: r.mean()


LOSSES = {
    "unreduced": r"one number as the discriminator's loss, got shape \(8,\); .mean\(\)",
    "broadcast": r"got shapes \(8,\) and \(8, 1\), which broadcast to \(8, 8\)",
    "warned_broadcast": "Using a target size",
    "items": "one number as the generator's loss, a tensor, got float",
    "infinite": "got NaN or infinite values",
    "plain_function": "expected an AdversarialLoss, got function",
}


def per_image():
    return Penalty(lambda critic, real, fake: squared_gradient(critic, real))


def failing():
    return Penalty(lambda critic, real, fake: critic(real.flatten(1)).mean().nothing)


PENALTIES = {"per_image": r"one number as its term, got shape \(8,\)", "failing": r"raised .*\n  .*critic\(real.flat"}


@pytest.fixture
def spec(tmp_path, data_root, monkeypatch):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    made = make_spec(tmp_path, *PLAIN)

    def make(**parts):
        targets = {group: Target(f"test_check_parts.{name}") for group, name in parts.items()}
        return replace(made, config=replace(made.config, **targets))

    return make


def cropped():
    return lambda images: images[:, :, 1:]


def detached():
    return lambda images: images.detach()


def in_place():
    return lambda images: images.mul_(0.5)


def augment_that_raises():
    return lambda images: images.crop(3)


def no_function():
    return 3


AUGMENTS = {
    "cropped": r"images of shape \(8, 1, 28, 28\), got shape \(8, 1, 27, 28\)",
    "detached": "images through which a gradient reaches the generator, got none",
    "in_place": "those that it is given as they were, got these changed in place",
    "augment_that_raises": r"raised AttributeError: .*\n  .*line \d+: return lambda images: images.crop\(3\)",
    "no_function": "expected a function of images, or None, got int",
}

TABLES = {"model": MODELS, "loss": LOSSES, "penalty": PENALTIES, "augment": AUGMENTS}
CASES = [(group, name, words) for group, table in TABLES.items() for name, words in table.items()]


@pytest.mark.parametrize(("group", "name", "words"), CASES)
def test_what_no_training_can_use_is_said_in_words(spec, group, name, words):
    with pytest.raises(ConfigError, match=f"{group}=test_check_parts.{name}: .*{words}"):
        check_parts(spec(**{group: name}))


@pytest.mark.parametrize("name", ["good", "column"])
def test_what_can_be_accepted_is_and_nothing_is_touched(spec, name):
    asked = spec(model=name)
    state = torch.get_rng_state()
    with untouched(torch.device("cpu")):
        check_parts(asked)
        started = perf_counter()
        check_parts(asked)
        assert perf_counter() - started < 3  # 0.3 s where nothing else runs
    assert torch.equal(state, torch.get_rng_state())


def test_a_column_of_logits_trains_as_a_row(spec, tmp_path):
    from ganexp.trainer.rehearsal import Training

    states = []
    for name in ("good", "column"):
        training = Training(spec(model=name))
        training.step()
        training.step()
        states.append([p.detach() for p in training.state.generator.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))


def test_a_run_is_refused_before_anything_is_written(spec):
    from ganexp.config.own_code import own_code

    asked = spec(model="bright")
    with pytest.raises(ConfigError, match="black at -1"):
        rehearsed(asked, own_code(asked.config))
    assert not asked.directory.exists()


def data(train=None, labels=None, classes=None):
    images = np.zeros((8, 1, 6, 6), np.uint8) if train is None else train
    return Dataset("own", images, labels, images[:4], None if labels is None else labels[:4], "x", "f", classes, Path())


def float_images():
    return data(np.zeros((8, 1, 6, 6), np.float32))


def last_channels():
    return data(np.zeros((8, 6, 6, 3), np.uint8))


def too_many_labels():
    return data(labels=np.arange(8), classes=4)


def no_dataset():
    return np.zeros(3)


def broken_dataset():
    return data(np.zeros(3)[7])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("float_images", r"train: uint8 images \(N, C, H, W\), C 1 or 3, got float32 of shape"),
        ("last_channels", r"got uint8 of shape \(8, 6, 6, 3\)"),
        ("too_many_labels", r"train_labels in 0 .. num_classes - 1 = 3, got 0 .. 7"),
        ("no_dataset", "expected a ganexp.Dataset, got ndarray"),
        ("broken_dataset", r"it raised IndexError: .*\n  .*line \d+: return data\(np.zeros\(3\)\[7\]\)"),
    ],
)
def test_own_data_sets_too(name, words):
    with pytest.raises(DataError, match=f"dataset=test_check_parts.{name}: .*{words}"):
        load_dataset(Target(f"test_check_parts.{name}"))


def wordy():
    from ganexp.metrics import Metric

    return Metric(lambda context: "good", "minimise")


def raising_metric():
    from ganexp.metrics import Metric

    return Metric(lambda context: context.nothing, "minimise")


def no_metric():
    return 3.0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wordy", "metric own: expected a number, Estimate or ByClass, got str"),
        ("raising_metric", r"metric own: it raised AttributeError: .*\n  .*lambda context: context.nothing"),
        ("no_metric", "metrics.scores.own: expected a ganexp.Metric, got float"),
    ],
)
def test_own_metrics_too(spec, name, words):
    asked = spec()
    config = replace(asked.config, scores={"own": Target(f"test_check_parts.{name}")})
    with pytest.raises(ConfigError, match=words):
        evaluator_for(config, asked.dataset)
