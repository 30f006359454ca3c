"""Images of a trained generator, from its run directory alone; no data is needed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganexp.config.own_code import check, own_code, with_answer
from ganexp.config.reopen import open_config
from ganexp.config.run_config import RunConfig
from ganexp.files.generator import generator_weights, load_weights, parse_checkpoint
from ganexp.files.png import to_uint8
from ganexp.trainer.sampling import STEPS, decode, draw_labels, interpolations, latents, sampler
from ganexp.types import GAN
from ganexp.types.errors import DirectoryError
from ganexp.types.rng import derive, reseed
from ganexp.types.system import total_memory

CPU = torch.device("cpu")


def sample(
    run_dir: Path,
    num: int,
    *,
    checkpoint: str | None = None,
    interpolate: bool = False,
    label: int | None = None,
    seed: int = 0,
    trust: Sequence[str] = (),
    changed_code: str = "refuse",
) -> NDArray[np.uint8]:
    """Images uint8 (N, C, H, W) of a run's generator: `num` of them, or with `interpolate` `num` rows of 10.

    `checkpoint` is "epoch=20", or None for the newest. `interpolate` draws along great circles between pairs of latent
    vectors (White 2016). `label` is the class of all images; None draws classes as often as in the training data.
    `seed` chooses the latent vectors; a larger `num` only adds images.

    Raises:
        Refused: no run directory, no such checkpoint or label, or a model that is not trusted.
    """
    config, _ = open_config(run_dir, trust)
    check(run_dir, own_code(config), with_answer(config, changed_code), metrics=False)
    seeded = functools.partial(reseed, CPU, derive(seed, "sample"), everywhere=True)
    if config.has_own_code:
        seeded()
    gan, counts = load_gan(run_dir, config, parse_checkpoint(checkpoint))
    z = latents(gan.latent, gan.latent_dim, 1, seed)
    _check_memory(num * (STEPS if interpolate else 1), decode(gan.generator, z, CPU, _labels(label, counts, 1, seed)))
    labels = _labels(label, counts, num, seed)
    if config.has_own_code:
        seeded()
    if interpolate:
        return to_uint8(interpolations(sampler(gan.generator, gan.latent, gan.latent_dim, CPU, seed), num, labels))
    return to_uint8(decode(gan.generator, latents(gan.latent, gan.latent_dim, num, seed), CPU, labels))


def _check_memory(count: int, one: Tensor) -> None:
    """Refuse more images like `one`, float32 (1, C, H, W), than fit into memory."""
    needed, memory = 5 * one.numel() * count, total_memory()
    if needed > memory:
        raise DirectoryError(
            f"--num: expected images that fit into this machine's {memory / 2**30:,.0f} GiB of memory, got {count:,} "
            f"of shape {tuple(one.shape[1:])}, which take at least {needed / 2**30:,.0f} GiB"
        )


def _labels(label: int | None, counts: Sequence[int] | None, num: int, seed: int) -> Tensor | None:
    """Labels int64 (num,): all `label`, or as often as in the training data; None: unconditional."""
    if counts is None:
        if label is not None:
            raise DirectoryError("--label: expected a run with model.conditional=true, got one without")
        return None
    if label is None:
        return draw_labels(counts, num, seed)
    if label >= len(counts):
        raise DirectoryError(f"--label: expected a class from 0 to {len(counts) - 1}, got {label}")
    return torch.full((num,), label)


def load_gan(run_dir: Path, config: RunConfig, epoch: int | None) -> tuple[GAN, list[int] | None]:
    """The networks of a run, the generator with its weights, and the number of training images of each label.

    Raises:
        DirectoryError: no such checkpoint, or one of another network.
    """
    weights, meta = generator_weights(run_dir, epoch)
    if "image_shape" not in meta:
        raise DirectoryError(f"{run_dir}: the checkpoint does not say what images its generator makes")
    counts: list[int] | None = meta.get("label_counts")
    gan: GAN = config.model.build(tuple(meta["image_shape"]), num_classes=len(counts) if counts else None)
    load_weights(gan.generator, weights, run_dir)
    gan.generator.eval()
    return gan, counts
