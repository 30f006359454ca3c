"""What is pinned: configurations, own data and an own model, and three short trainings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

MODEL = """\
from math import prod
from torch import nn
from ganexp import GAN


def mine(image_shape, *, latent_dim: int = 64):
    size = prod(image_shape)
    generator = nn.Sequential(nn.Linear(latent_dim, size), nn.Tanh(), nn.Unflatten(1, image_shape))
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(size, 1), nn.Flatten(0))
    return GAN(generator, discriminator, latent_dim)
"""

CONFIGURATIONS = {
    "defaults": (),
    "seed_best": ("experiment=seed_mnist", "dataset=digits"),
    "as_coded": ("experiment=seed_mnist_as_coded", "dataset=digits", "seed=3", "trainer.epochs=7"),
    "conditional": ("experiment=best_mnist", "dataset=digits", "metrics=none"),
    "wgan_gp": ("loss=wgan", "penalty=wgan_gp", "optim.betas=[0,0.9]", "trainer.real_batch=fresh"),
    "total": ("optim/schedule=cosine", "trainer.epochs=11", "loss=hinge", "penalty=r1", "penalty/schedule=linear"),
    "bf16": ("trainer.precision=bf16", "trainer.max_steps=100", "optim=adamw", "model=resnet", "dataset.image_size=32"),
    "two_rates": ("optim.generator.lr=1e-3", "optim=rmsprop", "penalty=clip", "loss=wgan", "trainer.max_seconds=9.5"),
    "average": ("trainer.ema_kimg=10", "model=mlp_2014", "loss=relativistic", "dataset.num_images=500", "optim=sgd"),
    "arrays": ("dataset=arrays", "dataset.images=own/images.npy", "dataset.labels=own/labels.npy", "loss=lsgan"),
    "pictures": ("dataset=image_folder", "dataset.path=own/pictures", "dataset.image_size=16"),
    "own_model": ("hydra.searchpath=[file://own/conf]", "model=mine", "model.latent_dim=8", "trust=[pinned_lab.*]"),
}
"""Name -> overrides whose run id and trajectory id are pinned."""

SMALL = ("dataset.num_images=64", "dataset.image_size=8", "model.latent_dim=4", "trainer.batch_size=20")
SHORT = ("trainer.epochs=2", "trainer.d_steps=2", "trainer.threads=1", "trainer.sample_images=4", "metrics=none")

TRAININGS = {
    "mlp": ("model.generator_widths=[8]", "model.discriminator_width=8", "model.maxout_units=4", "optim.lr=1e-3"),
    "dcgan": (
        "model=dcgan",
        "model.width=2",
        "model.discriminator_norm=none",
        "dataset.image_size=16",
        "loss=hinge",
        "penalty=r1",
        "optim=sgd",
        "optim.lr=0.05",
        "trainer.real_batch=fresh",
        "trainer.ema_kimg=1",
    ),
    "conditional": (
        "model.conditional=true",
        "model.generator_widths=[8]",
        "model.discriminator_width=8",
        "model.maxout_units=4",
        "loss=lsgan",
        "optim=rmsprop",
        "optim/schedule=linear",
    ),
}
"""Name -> overrides besides `SMALL` and `SHORT`."""


def training(name: str) -> tuple[str, ...]:
    """All overrides of a training."""
    return (*SMALL, *TRAININGS[name], *SHORT)


def write_own(folder: Path) -> None:
    """own/images.npy, own/labels.npy and own/pictures: the same bytes on every machine."""
    count, size = 60, 16
    values = np.arange(count * size * size, dtype=np.int64).reshape(count, 1, size, size)
    images = (values * 7919 % 251).astype(np.uint8)
    own = folder / "own"
    own.mkdir(exist_ok=True)
    np.save(own / "images.npy", images)
    np.save(own / "labels.npy", np.arange(count, dtype=np.int64) % 3)
    for number, pixels in enumerate(images):
        place = own / "pictures" / "abc"[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.repeat(pixels[0][:, :, None], 3, axis=2)).save(place / f"{number:02d}.png")
    (folder / "pinned_lab").mkdir(exist_ok=True)
    (folder / "pinned_lab" / "__init__.py").write_text(MODEL)
    (own / "conf" / "model").mkdir(parents=True, exist_ok=True)
    (own / "conf" / "model" / "mine.yaml").write_text("_target_: pinned_lab.mine\nlatent_dim: 64\n")
