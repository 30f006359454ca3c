"""`python -m ganexp.sample RUN_DIR --num 10000 --out x.npy`: images from a trained generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganexp.cli import reporting
from ganexp.errors import DirectoryError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from ganexp.config import RunConfig

STEPS = 10
"""Pictures in one row of an interpolation, its two ends among them."""


def main(
    run_dir: Annotated[Path, typer.Argument(help="Directory of a run.")],
    out: Annotated[Path, typer.Option(help=".npy for uint8 (N, C, H, W), .png for a grid.")],
    num: Annotated[int, typer.Option(min=1, help="How many images (interpolations: how many rows).")] = 64,
    checkpoint: Annotated[str | None, typer.Option(help="'epoch=20'; the newest if left out.")] = None,
    interpolate: Annotated[bool, typer.Option("--interpolate", help="Spherical interpolations, one a row.")] = False,
    seed: Annotated[int, typer.Option(help="Which latent vectors.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    trust: Annotated[list[str] | None, typer.Option(help="Pattern of _target_ to trust, e.g. 'mylab.*'.")] = None,
) -> None:
    """Draw images from the generator of a run (its average where it has one)."""
    with reporting():
        _check_out(out, force)
        images = sample(run_dir, num, checkpoint=checkpoint, interpolate=interpolate, seed=seed, trust=trust or [])
        _write(out, images, STEPS if interpolate else 8 if num >= 8 else num)
    typer.echo(f"{len(images)} images of shape {tuple(images.shape[1:])}: {out}")


def sample(
    run_dir: Path,
    num: int,
    *,
    checkpoint: str | None = None,
    interpolate: bool = False,
    seed: int = 0,
    trust: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """Images of a run's generator.

    Args:
        run_dir: run directory.
        num: number of images; with `interpolate`, of rows of 10.
        checkpoint: "epoch=20", or None for the newest.
        interpolate: images along great circles between pairs of latent vectors (White 2016).
        seed: which latent vectors; the same seed gives the same images, and a larger `num` only adds to them.
        trust: patterns of `_target_` to trust beyond ganexp's own.

    Returns:
        uint8 (N, C, H, W).

    Raises:
        Refused: no run directory, no such checkpoint, or a model that is not trusted.
    """
    import torch

    from ganexp.pictures import slerp, to_uint8
    from ganexp.reopen import open_config, parse_checkpoint
    from ganexp.sampling import decode, latents

    epoch = parse_checkpoint(checkpoint)
    config, _ = open_config(run_dir, trust)
    generator, latent, latent_dim = load_generator(run_dir, config, epoch)
    if interpolate:
        ends = latents(latent, latent_dim, 2 * num, seed).view(num, 2, latent_dim)
        points = [slerp(ends[:, 0], ends[:, 1], step / (STEPS - 1)) for step in range(STEPS)]
        z = torch.stack(points, dim=1).reshape(num * STEPS, latent_dim)
    else:
        z = latents(latent, latent_dim, num, seed)
    return to_uint8(decode(generator, z, torch.device("cpu")))


def load_generator(run_dir: Path, config: RunConfig, epoch: int | None) -> tuple[nn.Module, str, int]:
    """The generator of a run with its weights, the distribution of z and its length; needs no data.

    Raises:
        DirectoryError: no such checkpoint, or one of another network.
    """
    from ganexp.reopen import generator_weights

    weights, meta = generator_weights(run_dir, epoch)
    gan = config.model.build(tuple(meta["image_shape"]))
    try:
        gan.generator.load_state_dict(weights)
    except RuntimeError as error:
        raise DirectoryError(f"{run_dir}: the checkpoint is of another network ({error})") from None
    return gan.generator.eval(), gan.latent, gan.latent_dim


def _check_out(out: Path, force: bool) -> None:
    if out.suffix not in (".npy", ".png"):
        raise DirectoryError(f"--out: expected a file that ends in .npy or .png, got {out}")
    if not out.parent.is_dir():
        raise DirectoryError(f"--out: expected an existing folder, got {out.parent}")
    if out.exists() and not force:
        raise DirectoryError(f"--out: {out} exists; --force replaces it")


def _write(out: Path, images: NDArray[np.uint8], columns: int) -> None:
    import numpy as np

    from ganexp.atomic import replacing
    from ganexp.pictures import save_grid

    if out.suffix == ".png":
        save_grid(out, images, columns)
        return
    with replacing(out) as temporary:
        np.save(temporary, images)


if __name__ == "__main__":
    typer.run(main)
