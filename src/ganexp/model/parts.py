"""Layers, weights and checks that the networks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, reduce
from typing import Literal

import torch
from torch import Tensor, nn

from ganexp.types import ImageShape
from ganexp.types.errors import ConfigError

SMALLEST = 4  # least sides of the coarsest map, where the depth is left to the image size

SIXTEEN_BITS = 2**16

NewLayer = Callable[[], nn.Module]  # makes a layer, such as an activation

Activation = Literal["leaky_relu", "relu", "elu", "gelu", "silu", "tanh"]

# Name -> (slope below zero, of leaky_relu alone) -> module.
ACTIVATIONS: Mapping[Activation, Callable[[float], nn.Module]] = {
    "leaky_relu": nn.LeakyReLU,
    "relu": lambda leak: nn.ReLU(),
    "elu": lambda leak: nn.ELU(),
    "gelu": lambda leak: nn.GELU(),
    "silu": lambda leak: nn.SiLU(),
    "tanh": lambda leak: nn.Tanh(),
}


class Maxout(nn.Module):
    """max_j (x W_j + b_j) over `pieces` linear maps (Goodfellow et al. 2013, Maxout Networks, equation 1)."""

    def __init__(self, inputs: int, outputs: int, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(inputs, outputs * pieces)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, inputs) -> (B, outputs)."""
        pieces: tuple[Tensor, ...] = self.linear(x).chunk(self.pieces, dim=1)
        return reduce(torch.maximum, pieces)


class Dropout(nn.Dropout):
    """Inverted dropout (Srivastava et al. 2014, section 4), sixteen random bits a unit: `p` is rounded to 1 / 65536.

    On a CPU, drawing torch's mask, a random number for each unit, takes longer than the layer's other work.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape -> each unit 0 with probability p, else divided by 1 - p; x itself in evaluation."""
        if not self.training or not self.p:
            return x
        if x.device.type == "mps":  # which does not draw whole numbers of 64 bits
            return super().forward(x)
        dropped = min(round(self.p * SIXTEEN_BITS), SIXTEEN_BITS - 1)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
        words.random_(torch.iinfo(torch.int64).min, None)
        units = words.view(torch.int16)[: x.numel()].view(x.shape)
        mask = torch.ge(units, dropped - SIXTEEN_BITS // 2, out=torch.empty_like(x, requires_grad=False))
        return x * mask.div_(1 - dropped / SIXTEEN_BITS)


class Affine(nn.Module):
    """x -> scale x + shift, to change the range of pixels."""

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return x * self.scale + self.shift


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, and a change of size and channels (Huang et al. 2024, without bias).

    The second convolution starts at zero, so that each block starts as its shortcut (Zhang et al. 2019, Fixup).
    `size` 2 doubles the height and width at the start, 0.5 halves them at the end, 1 keeps them.
    """

    def __init__(self, before: int, after: int, size: float, activation: NewLayer) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="nearest") if size > 1 else nn.Identity()
        self.down = nn.AvgPool2d(2) if size < 1 else nn.Identity()
        self.first, self.second = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1, bias=False) if before != after else nn.Identity()
        self.active = activation()
        nn.init.zeros_(self.second.weight)
        assert self.second.bias is not None
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, before, H, W) -> (B, after, size H, size W)."""
        x = self.up(x)
        change = self.second(self.active(self.first(self.active(x))))
        result: Tensor = self.down(self.shortcut(x) + change)
        return result


class ClippedTanh(nn.Module):
    """clamp(scale tanh(x), -1, 1): for scale > 1 black and white are reached exactly, and at a finite x.

    After LeCun et al. 1998 (Efficient BackProp, section 4.5), who keep targets off a sigmoid's asymptotes.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, to [-1, 1]."""
        return (self.scale * torch.tanh(x)).clamp(-1.0, 1.0)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"scale={self.scale:g}"


def output_of(scale: float) -> nn.Module:
    """The last layer of a generator: tanh, clipped where `scale` is above 1."""
    return nn.Tanh() if scale == 1.0 else ClippedTanh(scale)


def activation_of(name: Activation, leak: float) -> NewLayer:
    """A function that makes the activation's module."""
    return partial(ACTIVATIONS[name], leak)


def classes(conditional: bool, num_classes: int | None) -> int | None:
    """The number of classes that the networks take; ConfigError for a conditional model without labels."""
    if conditional and num_classes is None:
        raise ConfigError("model.conditional: expected a dataset with labels, got one without")
    return num_classes if conditional else None


def halvings(image_shape: ImageShape, depth: int | None) -> int:
    """How often the image is halved: `depth`, or as often as its sides stay whole and maps no smaller than 4.

    ConfigError where the sides cannot be halved that often, or maps would be smaller than 2 x 2.
    """
    sides = image_shape[1:]
    if depth is None:
        depth = 0
        while all(side % 2 ** (depth + 1) == 0 and side // 2 ** (depth + 1) >= SMALLEST for side in sides):
            depth += 1
    if depth < 1 or any(side % 2**depth or side // 2**depth < 2 for side in sides):
        raise ConfigError(
            f"model.depth: expected images whose sides can be halved {max(depth, 1)} times to 2 pixels or more, "
            f"got {sides[0]} x {sides[1]}"
        )
    return depth


def batch_norm(channels: int, wanted: bool) -> list[nn.Module]:
    """One batch normalisation, or nothing."""
    return [nn.BatchNorm2d(channels)] if wanted else []


def uniform_weights(net: nn.Sequential, spread: float) -> nn.Sequential:
    """Weights of linear layers uniform on (-spread, spread), biases 0."""
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.uniform_(module.weight, -spread, spread)
            nn.init.zeros_(module.bias)
    return net


@torch.no_grad()
def dcgan_weights(net: nn.Sequential) -> nn.Sequential:
    """Weights from N(0, 0.02^2), scales from N(1, 0.02^2), biases 0 (Radford et al. 2016, section 4).

    For normalised networks: without normalisation weights of that size make the outputs of each layer smaller.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0 if isinstance(module, nn.BatchNorm2d) else 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net
