"""Optimizers, each a function (parameters, settings) -> torch.optim.Optimizer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from annotated_types import Len
from torch import nn

from ganexp.schema import NonNegative, Positive, Probability

Parameters = Iterable[nn.Parameter]
Betas = Annotated[tuple[Probability, Probability], Len(2, 2)]


def adam(
    parameters: Parameters,
    *,
    lr: Positive = 1e-4,
    betas: Betas = (0.9, 0.999),
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.0,
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015, Algorithm 1), fused."""
    return torch.optim.Adam(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)


def adamw(
    parameters: Parameters,
    *,
    lr: Positive = 1e-4,
    betas: Betas = (0.9, 0.999),
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.01,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, Algorithm 2), fused."""
    return torch.optim.AdamW(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)


def rmsprop(
    parameters: Parameters,
    *,
    lr: Positive = 1e-4,
    alpha: Probability = 0.99,
    eps: Positive = 1e-8,
    momentum: Probability = 0.0,
    weight_decay: NonNegative = 0.0,
) -> torch.optim.Optimizer:
    """RMSprop (Tieleman and Hinton 2012, lecture 6.5)."""
    return torch.optim.RMSprop(parameters, lr=lr, alpha=alpha, eps=eps, momentum=momentum, weight_decay=weight_decay)


def sgd(
    parameters: Parameters,
    *,
    lr: Positive = 1e-4,
    momentum: Probability = 0.0,
    nesterov: bool = False,
    weight_decay: NonNegative = 0.0,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum (Sutskever et al. 2013), fused."""
    return torch.optim.SGD(
        parameters, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=True
    )
