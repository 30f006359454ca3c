"""`python -m ganexp.sample RUN_DIR --num 10000 --out x.npy`: images from a trained generator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganexp.cli import reporting, start
from ganexp.types.errors import DirectoryError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
        from ganexp.trainer.draw import sample
        from ganexp.trainer.sampling import STEPS

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
        _check_out(out, force)  # once more: drawing takes its time
        _write(out, images, STEPS if interpolate else 8 if num >= 8 else num)
    typer.echo(f"{len(images)} images of shape {tuple(images.shape[1:])}: {out}")


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
