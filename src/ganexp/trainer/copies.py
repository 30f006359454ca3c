"""Copies of a network's weights in bfloat16, beside those in fp32 that the optimizer updates.

Autocast makes such copies at each pass and each gradient, and so gives the same bits; here a step makes them once after
each update, into memory that it keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

PRODUCTS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)  # layers of which autocast casts all parameters


class Copies:
    """The bfloat16 copies of a net's weights that enter matrix products and convolutions; of no net, there are none.

    A net must use each weight in one pass for each update: a second pass would add its gradients in bfloat16.
    """

    def __init__(self, net: nn.Module | None = None) -> None:
        layers = [] if net is None else [layer for layer in net.modules() if type(layer) in PRODUCTS]
        self._places: list[tuple[dict[str, Any], str]] = []  # a layer's parameters, and a name there
        self._weights: list[nn.Parameter] = []
        for layer in layers:
            for name, weight in layer._parameters.items():
                if weight is not None:
                    self._places.append((layer._parameters, name))
                    self._weights.append(weight)
        self._copies = [nn.Parameter(weight.detach().to(torch.bfloat16)) for weight in self._weights]
        self._gradients = [torch.empty_like(weight) for weight in self._weights]

    @property
    def count(self) -> int:
        """How many tensors have a copy."""
        return len(self._copies)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Inside, the net computes with the copies."""
        self.refresh()
        self._put(self._copies)
        try:
            yield
        finally:
            self._put(self._weights)

    def _put(self, weights: list[nn.Parameter]) -> None:
        for (parameters, name), weight in zip(self._places, weights, strict=True):
            parameters[name] = weight

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the weights as they are now."""
        if self._copies:
            torch._foreach_copy_([*self._copies], [*self._weights])

    @torch.no_grad()
    def hand_gradients(self) -> None:
        """Give the weights the gradients of the copies, in fp32, and the copies none."""
        given: list[Tensor] = []
        kept: list[Tensor] = []
        for copy, weight, gradient in zip(self._copies, self._weights, self._gradients, strict=True):
            if copy.grad is not None:
                given.append(copy.grad)
                kept.append(gradient)
                weight.grad, copy.grad = gradient, None
        if given:
            torch._foreach_copy_(kept, given)
