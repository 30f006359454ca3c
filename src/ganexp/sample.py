"""`python -m ganexp.sample RUN_DIR --num 10000 --out x.npy`: images from a trained generator."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganexp.cli import reporting, start
from ganexp.types.errors import DirectoryError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ganexp.config.run_config import RunConfig
    from ganexp.types import GAN


def main(
    run_dir: Annotated[Path, typer.Argument(help="Directory of a run.")],
    out: Annotated[Path, typer.Option(help=".npy for uint8 (N, C, H, W), .png for a grid.")],
    num: Annotated[
        int, typer.Option(min=1, max=10_000_000, help="How many images (interpolations: how many rows).")
    ] = 64,
    checkpoint: Annotated[str | None, typer.Option(help="'epoch=20'; the newest if left out.")] = None,
    interpolate: Annotated[bool, typer.Option("--interpolate", help="Spherical interpolations, one a row.")] = False,
    label: Annotated[int | None, typer.Option(min=0, help="The class, of a conditional model.")] = None,
    seed: Annotated[int, typer.Option(help="Which latent vectors.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    trust: Annotated[list[str] | None, typer.Option(help="Pattern of _target_ to trust, e.g. 'mylab.*'.")] = None,
    changed_code: Annotated[
        str, typer.Option(help="Own code that was edited since: 'refuse', or 'same_run' (a comment, a rename).")
    ] = "refuse",
) -> None:
    """Draw images from the generator of a run (its average where it has one)."""
    with reporting():
        _check_out(out, force)
        images = sample(
            run_dir,
            num,
            checkpoint=checkpoint,
            interpolate=interpolate,
            label=label,
            seed=seed,
            trust=trust or [],
            changed_code=changed_code,
        )
        from ganexp.trainer.sampling import STEPS

        _check_out(out, force)  # once more: drawing takes its time
        _write(out, images, STEPS if interpolate else 8 if num >= 8 else num)
    typer.echo(f"{len(images)} images of shape {tuple(images.shape[1:])}: {out}")


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
    """Images of a run's generator.

    Args:
        run_dir: run directory.
        num: number of images; with `interpolate`, of rows of 10.
        checkpoint: "epoch=20", or None for the newest.
        interpolate: images along great circles between pairs of latent vectors (White 2016).
        label: the class of all images, of a conditional model; None: classes as often as in the training data.
        seed: which latent vectors; the same seed gives the same images, and a larger `num` only adds to them.
        trust: patterns of `_target_` to trust beyond ganexp's own.
        changed_code: of own code that was edited since: "refuse" or "same_run".

    Returns:
        uint8 (N, C, H, W).

    Raises:
        Refused: no run directory, no such checkpoint or label, or a model that is not trusted.
    """
    import torch

    from ganexp.config.own_code import check, own_code, with_answer
    from ganexp.config.reopen import open_config
    from ganexp.files.generator import parse_checkpoint
    from ganexp.files.png import to_uint8
    from ganexp.trainer.sampling import STEPS, decode, interpolations, latents, sampler
    from ganexp.types.rng import derive, reseed

    epoch = parse_checkpoint(checkpoint)
    config, _ = open_config(run_dir, trust)
    check(run_dir, own_code(config), with_answer(config, changed_code), metrics=False)
    cpu = torch.device("cpu")
    seeded = functools.partial(reseed, cpu, derive(seed, "sample"), everywhere=True)
    if config.has_own_code:
        seeded()
    gan, counts = load_gan(run_dir, config, epoch)
    first = latents(gan.latent, gan.latent_dim, 1, seed)
    _check_memory(
        num * (STEPS if interpolate else 1), decode(gan.generator, first, cpu, _labels(label, counts, 1, seed))
    )
    labels = _labels(label, counts, num, seed)
    if config.has_own_code:
        seeded()
    if interpolate:
        return to_uint8(interpolations(sampler(gan.generator, gan.latent, gan.latent_dim, cpu, seed), num, labels))
    return to_uint8(decode(gan.generator, latents(gan.latent, gan.latent_dim, num, seed), cpu, labels))


def _check_memory(count: int, one: Tensor) -> None:
    """Refuse more images (count) like `one`, float32 (1, C, H, W), than there is memory for."""
    from ganexp.trainer.compatible import total_memory

    needed, there = 5 * one.numel() * count, total_memory()
    if needed > there:
        raise DirectoryError(
            f"--num: expected images that fit into this machine's {there / 2**30:,.0f} GiB of memory, got {count:,} of "
            f"shape {tuple(one.shape[1:])}, which take at least {needed / 2**30:,.0f} GiB"
        )


def _labels(label: int | None, counts: Sequence[int] | None, num: int, seed: int) -> Tensor | None:
    """Labels of `num` images, int64 (num,): all `label`, or as often as in the training data; None: unconditional."""
    import torch

    from ganexp.trainer.sampling import draw_labels

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
    """The networks of a run, the generator with its weights; and training images of each label. Needs no data.

    Raises:
        DirectoryError: no such checkpoint, or one of another network.
    """
    from ganexp.files.checkpoint import load_module
    from ganexp.files.generator import generator_weights

    weights, meta = generator_weights(run_dir, epoch)
    if "image_shape" not in meta:
        raise DirectoryError(f"{run_dir}: the checkpoint does not say what images its generator makes")
    counts: list[int] | None = meta.get("label_counts")
    gan: GAN = config.model.build(tuple(meta["image_shape"]), num_classes=len(counts) if counts else None)
    try:
        load_module(gan.generator, weights)
    except RuntimeError as error:
        raise DirectoryError(f"{run_dir}: the checkpoint is of another network ({error})") from None
    gan.generator.eval()
    return gan, counts


def _check_out(out: Path, force: bool) -> None:
    if out.suffix not in (".npy", ".png"):
        raise DirectoryError(f"--out: expected a file that ends in .npy or .png, got {out}")
    if not out.parent.is_dir():
        raise DirectoryError(f"--out: expected an existing folder, got {out.parent}")
    if os.path.lexists(out) and not force:
        raise DirectoryError(f"--out: {out} exists; --force replaces it")


def _write(out: Path, images: NDArray[np.uint8], columns: int) -> None:
    import numpy as np

    from ganexp.files.atomic import replacing
    from ganexp.files.png import save_grid

    if out.suffix == ".png":
        save_grid(out, images, columns)
        return
    with replacing(out) as temporary:
        np.save(temporary, images)


if __name__ == "__main__":
    start(main)
