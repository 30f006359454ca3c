"""Optimizers over torch's functional updates.

They compute what the classes of torch.optim compute, bit for bit. Those classes import torch._dynamo at their first
use, which takes longer than importing torch does; in a sweep of short runs that is most of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

import torch
from annotated_types import Len
from torch import Tensor, nn
from torch.optim import adam as torch_adam
from torch.optim import rmsprop as torch_rmsprop
from torch.optim import sgd as torch_sgd

from ganexp.types import Optimizer
from ganexp.types.bounds import NonNegative, Positive, Probability
from ganexp.types.errors import ConfigError

Parameters = Iterable[nn.Parameter]
Betas = Annotated[tuple[Probability, Probability], Len(2, 2)]
State = Mapping[str, list[Tensor]]
Settings = Mapping[str, Any]


def adam(
    parameters: Parameters,
    *,
    lr: Positive = 1e-4,
    betas: Betas = (0.9, 0.999),
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.0,
) -> Optimizer:
    """Adam (Kingma and Ba 2015, Algorithm 1), fused."""
    return _adam(parameters, lr, betas, eps, weight_decay, decoupled=False)


def adamw(
    parameters: Parameters,
    *,
    lr: Positive = 1e-4,
    betas: Betas = (0.9, 0.999),
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.01,
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, Algorithm 2), fused."""
    return _adam(parameters, lr, betas, eps, weight_decay, decoupled=True)


def rmsprop(
    parameters: Parameters,
    *,
    lr: Positive = 1e-4,
    alpha: Probability = 0.99,
    eps: Positive = 1e-8,
    momentum: Probability = 0.0,
    weight_decay: NonNegative = 0.0,
) -> Optimizer:
    """RMSprop (Tieleman and Hinton 2012, lecture 6.5)."""

    def update(values: list[Tensor], gradients: list[Tensor], state: State, settings: Settings) -> None:
        torch_rmsprop.rmsprop(
            values,
            gradients,
            state["square_avg"],
            [],
            state.get("momentum_buffer", []),
            state["step"],
            foreach=True,
            centered=False,
            **settings,
        )

    names = ["step", "square_avg", *(["momentum_buffer"] if momentum else [])]
    settings = {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum, "weight_decay": weight_decay}
    return FunctionalOptimizer(parameters, names, update, settings)


def sgd(
    parameters: Parameters,
    *,
    lr: Positive = 1e-4,
    momentum: Probability = 0.0,
    nesterov: bool = False,
    weight_decay: NonNegative = 0.0,
) -> Optimizer:
    """Stochastic gradient descent with momentum (Sutskever et al. 2013), fused.

    Raises:
        ConfigError: Nesterov's momentum without momentum.
    """
    if nesterov and not momentum:
        raise ConfigError("optim.nesterov: expected optim.momentum above 0 with it, got 0")

    def update(values: list[Tensor], gradients: list[Tensor], state: State, settings: Settings) -> None:
        torch_sgd.sgd(
            values,
            gradients,
            list(state.get("momentum_buffer", [None] * len(values))),
            fused=True,
            foreach=False,
            dampening=0.0,
            nesterov=nesterov,
            maximize=False,
            **settings,
        )

    settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    return FunctionalOptimizer(parameters, ["momentum_buffer"] if momentum else [], update, settings)


def _adam(
    parameters: Parameters, lr: float, betas: tuple[float, float], eps: float, weight_decay: float, *, decoupled: bool
) -> Optimizer:
    def update(values: list[Tensor], gradients: list[Tensor], state: State, settings: Settings) -> None:
        torch_adam.adam(
            values,
            gradients,
            state["exp_avg"],
            state["exp_avg_sq"],
            [],
            state["step"],
            foreach=False,
            fused=True,
            decoupled_weight_decay=decoupled,
            amsgrad=False,
            maximize=False,
            **settings,
        )

    settings = {"lr": lr, "beta1": betas[0], "beta2": betas[1], "eps": eps, "weight_decay": weight_decay}
    return FunctionalOptimizer(parameters, ["step", "exp_avg", "exp_avg_sq"], update, settings)


# (parameters, gradients, state name -> one tensor per parameter, settings) -> None; changes the first and third.
Update = Callable[[list[Tensor], list[Tensor], Mapping[str, list[Tensor]], Mapping[str, Any]], None]


class FunctionalOptimizer:
    """An optimizer whose state is named lists of tensors (`ganexp.types.Optimizer`).

    Of the state's `names`, "step" is a counter for each parameter; any other has the parameter's shape. `update` makes
    one step with `settings`, such as the learning rate, which are kept in `param_groups[0]`.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], names: Sequence[str], update: Update, settings: Mapping[str, Any]
    ) -> None:
        self.parameters = list(parameters)
        self.param_groups: list[dict[str, Any]] = [dict(settings)]
        self._update = update
        self._state: dict[str, list[Tensor]] = {
            name: [
                torch.zeros((), dtype=torch.float32, device=p.device) if name == "step" else torch.zeros_like(p.data)
                for p in self.parameters
            ]
            for name in names
        }

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters that have a gradient."""
        chosen = [index for index, parameter in enumerate(self.parameters) if parameter.grad is not None]
        parameters: list[Tensor] = [self.parameters[index] for index in chosen]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        state = {name: [values[index] for index in chosen] for name, values in self._state.items()}
        self._update(parameters, gradients, state, self.param_groups[0])

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, or zero them."""
        for parameter in self.parameters:
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad.zero_()

    def state_dict(self) -> dict[str, Any]:
        """The state as torch.optim's classes give it: {"state": {index: {name: tensor}}}."""
        indices = range(len(self.parameters))
        return {"state": {index: {name: values[index] for name, values in self._state.items()} for index in indices}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        for index, values in state_dict["state"].items():
            for name, value in values.items():
                self._state[name][index].copy_(value)
