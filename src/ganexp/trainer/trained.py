"""A run's generator as a torch module of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from ganexp.trainer.draw import open_gan
from ganexp.trainer.sampling import latents
from ganexp.types import ImageShape


class TrainedGenerator(nn.Module):
    """z float32 (N, latent_dim), with labels int64 (N,) where there are classes -> images (N, C, H, W) in [-1, 1].

    z is normal with unit variance, or uniform on (-sqrt 3, sqrt 3): `latent` says which, `draw_z` draws it. The module
    is in eval mode.
    """

    def __init__(self, net: nn.Module, latent_dim: int, latent: str, image_shape: ImageShape) -> None:
        super().__init__()
        self.net = net
        self.latent_dim, self.latent, self.image_shape = latent_dim, latent, image_shape
        self.num_classes: int | None = None  # None: it takes no labels
        self.class_names: tuple[str, ...] | None = None  # of the labels 0, 1, ...

    @property
    def latent_words(self) -> str:
        """How z is distributed."""
        return "normal with unit variance" if self.latent == "normal" else "uniform on (-sqrt 3, sqrt 3)"

    def draw_z(self, count: int, seed: int = 0) -> Tensor:
        """The latent vectors float32 (count, latent_dim) that `ganexp sample --seed` draws."""
        return latents(self.latent, self.latent_dim, count, seed)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images of latent vectors, and of labels where there are classes."""
        images: Tensor = self.net(z) if self.num_classes is None else self.net(z, labels)
        return images


def load_generator(
    run_dir: str | Path, *, checkpoint: str | None = None, trust: Sequence[str] = (), changed_code: str = "refuse"
) -> TrainedGenerator:
    """The generator of a run on the CPU, in eval mode: its average where it has one.

    Args:
        run_dir: a run directory.
        checkpoint: "epoch=20"; None: the newest.
        trust: patterns of own functions that may be called, e.g. "mylab.*".
        changed_code: about own code that was edited since: "refuse", or "same_run".

    Raises:
        Refused: no run directory, no such checkpoint, or a model that is not trusted.
    """
    _, gan, meta = open_gan(Path(run_dir), checkpoint, trust, changed_code)
    module = TrainedGenerator(gan.generator, gan.latent_dim, gan.latent, tuple(meta["image_shape"]))
    module.num_classes = gan.num_classes
    module.class_names = tuple(meta["class_names"]) if meta.get("class_names") else None
    return module.eval().requires_grad_(False)
