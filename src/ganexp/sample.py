"""`python -m ganexp.sample RUN_DIR --num 10000 --out x.npy`: images from a trained generator."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganexp.cli import ChangedCode, Trust, reporting, start
from ganexp.types.errors import DirectoryError
from ganexp.types.system import cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganexp.trainer.draw import Drawing

NUM = 64  # images where nothing says how many
PICTURE = re.compile(r"[0-9]{6,}\.png")  # the names in a folder of pictures


def main(
    run_dir: Annotated[Path, typer.Argument(help="The run whose generator draws.", metavar="RUN_DIR")],
    out: Annotated[
        Path, typer.Option(help=".npy or .npz for uint8 (N, C, H, W), .png for a grid, else a folder of PNG files.")
    ],
    num: Annotated[
        int | None,
        typer.Option(min=1, max=10_000_000, help=f"How many images (interpolations: rows); {NUM} if left out."),
    ] = None,
    checkpoint: Annotated[str | None, typer.Option(help="'epoch=20'; the newest if left out.")] = None,
    interpolate: Annotated[bool, typer.Option("--interpolate", help="Spherical interpolations, one a row.")] = False,
    label: Annotated[str | None, typer.Option(help="The class, of a conditional model: its name or number.")] = None,
    seed: Annotated[int, typer.Option(help="Which latent vectors.")] = 0,
    z: Annotated[Path | None, typer.Option(help="Latent vectors (N, latent_dim): an .npy, or an .npz with z.")] = None,
    truncation: Annotated[
        float | None, typer.Option(min=0.01, max=10, help="Standard deviations that z is kept within, e.g. 0.7.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file, or folder of pictures.")] = False,
    trust: Trust = None,
    changed_code: ChangedCode = "refuse",
) -> None:
    """Draw images from the generator of a run (its average where it has one)."""
    with reporting(options=True):
        _check_out(out, force)
        _check_together(interpolate, z, truncation)
        given = None if z is None else _latents_in(z, num)
        from ganexp.trainer.draw import draw
        from ganexp.trainer.sampling import STEPS

        count = num or (NUM if given is None else len(given))
        which: dict[str, Any] = {
            "checkpoint": checkpoint,
            "label": label,
            "seed": seed,
            "z": given,
            "truncation": truncation,
        }
        drawn = draw(run_dir, count, interpolate=interpolate, trust=trust or [], changed_code=changed_code, **which)
        _write(out, drawn, STEPS if interpolate else min(8, count), force)
    typer.echo(f"{len(drawn.images)} images of shape {tuple(drawn.images.shape[1:])}: {out}")


def _check_together(interpolate: bool, z: Path | None, truncation: float | None) -> None:
    if interpolate and (z is not None or truncation is not None):
        raise DirectoryError("--interpolate: expected no --z and no --truncation beside it, got one")


def _latents_in(path: Path, num: int | None) -> NDArray[Any]:
    import numpy as np

    from ganexp.dataset.npy import open_any
    from ganexp.dataset.own import array_in

    values = np.asarray(array_in(path, "z") if path.suffix.lower() == ".npz" else open_any(path))
    if values.ndim != 2 or not len(values):
        raise DirectoryError(f"--z: expected numbers of shape (N, latent_dim), got {values.dtype} {values.shape}")
    if num not in (None, len(values)):
        raise DirectoryError(f"--num: expected none, or the {len(values)} of --z, got {num}")
    return values


def _check_out(out: Path, force: bool) -> None:
    if out.suffix not in (".npy", ".npz", ".png", ""):
        expected = "a file that ends in .npy, .npz or .png, or a folder without an ending"
        raise DirectoryError(f"--out: expected {expected}, got {out}")
    if not out.parent.is_dir():
        raise DirectoryError(f"--out: expected an existing folder, got {out.parent}")
    if not os.path.lexists(out):
        return
    if not force:
        raise DirectoryError(f"--out: {out} exists; --force replaces it")
    if not out.suffix or out.is_dir():
        names = [entry.name for entry in os.scandir(out)] if out.is_dir() and not out.is_symlink() else ["a file"]
        if others := [name for name in names if not PICTURE.fullmatch(name)]:
            raise DirectoryError(f"--out: expected a folder of ganexp's pictures alone, got {others[0]} in {out}")


def _write(out: Path, drawn: Drawing, columns: int, force: bool) -> None:
    _check_out(out, force)  # once more: drawing takes its time
    import numpy as np

    from ganexp.files.atomic import replacing
    from ganexp.files.png import save_grid

    if out.suffix == ".png":
        save_grid(out, drawn.images, columns)
    elif out.suffix == "":
        _write_folder(out, drawn.images)
    else:
        with replacing(out) as temporary:
            if out.suffix == ".npy":
                np.save(temporary, drawn.images)
                return
            with temporary.open("wb") as file:
                parts: dict[str, Any] = {"images": drawn.images, "labels": drawn.labels, "z": drawn.z}
                np.savez(file, **{name: values for name, values in parts.items() if values is not None})


def _write_folder(out: Path, images: NDArray[np.uint8]) -> None:
    """A folder of PNG files, which takes the place of a former one when it is complete."""
    from PIL import Image

    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    made.chmod(0o777 & ~_umask())

    def write(number: int) -> None:
        pixels = images[number].transpose(1, 2, 0)
        picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        picture.save(made / f"{number:06d}.png", compress_level=1)

    try:
        with ThreadPoolExecutor(cores()) as pool:
            for _ in pool.map(write, range(len(images)), chunksize=100):
                pass
        if out.is_dir():
            shutil.rmtree(out)
        made.replace(out)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


if __name__ == "__main__":
    start(main)
