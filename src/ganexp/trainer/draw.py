"""Images of a trained generator, from its run directory alone; no data is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
from ganexp.types.errors import DirectoryError, suggested
from ganexp.types.rng import derive, reseed
from ganexp.types.system import total_memory

CPU = torch.device("cpu")


class Drawing(NamedTuple):
    """Images, and what they were made of."""

    images: NDArray[np.uint8]  # (N, C, H, W)
    labels: NDArray[np.int64] | None  # (N,); None: the generator takes none
    z: NDArray[np.float32] | None  # (N, latent_dim); None: interpolations


def sample(run_dir: Path, num: int, **asked: Any) -> NDArray[np.uint8]:
    """The images of `draw`."""
    return draw(run_dir, num, **asked).images


def draw(
    run_dir: Path,
    num: int,
    *,
    checkpoint: str | None = None,
    interpolate: bool = False,
    label: int | str | None = None,
    seed: int = 0,
    z: NDArray[Any] | None = None,
    truncation: float | None = None,
    trust: Sequence[str] = (),
    changed_code: str = "refuse",
) -> Drawing:
    """`num` images of a run's generator, or with `interpolate` `num` rows of 10.

    `checkpoint`: "epoch=20"; None: the newest. `interpolate` draws along great circles between latent vectors (White
    2016). `label` is the class of all images, its number or name; None draws classes as often as in the
    training data. `seed` chooses the latent vectors; a larger `num` only adds images. `z` (num, latent_dim) replaces
    them. `truncation` keeps each of their numbers within that many standard deviations (Brock et al. 2019).

    Raises:
        Refused: no run directory, no such checkpoint or label, latents of another shape, or a model not trusted.
    """
    config, gan, meta = open_gan(run_dir, checkpoint, trust, changed_code, seed)
    counts, label = meta.get("label_counts"), _number(label, meta.get("class_names"))
    one = decode(gan.generator, latents(gan.latent, gan.latent_dim, 1, seed), CPU, _labels(label, counts, 1, seed))
    _check_memory(num * (STEPS if interpolate else 1), one)
    labels = _labels(label, counts, num, seed)
    if config.has_own_code:
        _reseed(seed)
    if interpolate:
        return Drawing(to_uint8(_rows(gan, num, seed, labels)), None, None)
    chosen = _latents(gan, num, seed, z, truncation)
    images = decode(gan.generator, chosen, CPU, labels)
    return Drawing(to_uint8(images), None if labels is None else labels.numpy(), chosen.numpy())


def open_gan(
    run_dir: Path, checkpoint: str | None, trust: Sequence[str], changed_code: str, seed: int = 0
) -> tuple[RunConfig, GAN, dict[str, Any]]:
    """The configuration of a run, its networks, and its checkpoint's metadata; own code is checked and seeded.

    Raises:
        Refused: as `draw`.
    """
    config = open_config(run_dir, trust)[0]
    check(run_dir, own_code(config), with_answer(config, changed_code), metrics=False)
    if config.has_own_code:
        _reseed(seed)
    return config, *load_gan(run_dir, config, parse_checkpoint(checkpoint))


def _reseed(seed: int) -> None:
    reseed(CPU, derive(seed, "sample"), everywhere=True)


def _rows(gan: GAN, num: int, seed: int, labels: Tensor | None) -> Tensor:
    return interpolations(sampler(gan.generator, gan.latent, gan.latent_dim, CPU, seed), num, labels)


def _latents(gan: GAN, num: int, seed: int, z: NDArray[Any] | None, truncation: float | None) -> Tensor:
    chosen = latents(gan.latent, gan.latent_dim, num, seed) if z is None else _given(z, num, gan.latent_dim)
    return chosen if truncation is None else _truncated(chosen, truncation, gan.latent)


def _given(z: NDArray[Any], num: int, latent_dim: int) -> Tensor:
    if z.shape != (num, latent_dim) or z.dtype.kind not in "fiu" or not np.isfinite(z).all():
        raise DirectoryError(f"--z: expected finite numbers of shape (N, {latent_dim}), got {z.dtype} {z.shape}")
    return torch.from_numpy(z.astype(np.float32))


def _truncated(z: Tensor, bound: float, latent: str) -> Tensor:
    """Normal numbers mapped to a normal distribution that ends at +- `bound`, in their order."""
    if latent != "normal":
        raise DirectoryError(f"--truncation: expected a run with model.latent=normal, got {latent}")
    low = float(torch.special.ndtr(torch.tensor(-bound, dtype=torch.float64)))
    shares = low + torch.special.ndtr(z.double()) * (1 - 2 * low)
    truncated: Tensor = torch.special.ndtri(shares).clamp(-bound, bound).float()
    return truncated


def _number(label: int | str | None, names: Sequence[str] | None) -> int | None:
    """The number of a label: itself, or where its name is in `names`."""
    if names and label is not None and str(label) in names:
        return list(names).index(str(label))
    if isinstance(label, str) and not (label.isascii() and label.isdigit()):
        known = f"one of {', '.join(names)}" if names else "the number of a class, as this run's classes have no names"
        raise DirectoryError(f"--label: expected {known}, got {label!r}.{suggested(label, names or ())}")
    return None if label is None else int(label)


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


def load_gan(run_dir: Path, config: RunConfig, epoch: int | None) -> tuple[GAN, dict[str, Any]]:
    """The networks of a run, the generator with its weights, and the metadata of its checkpoint.

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
    return gan, meta
