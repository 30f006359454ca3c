"""Optimizers over torch's functional updates.

They compute what the classes of torch.optim compute, bit for bit, without their import of torch._dynamo at first use,
which would take most of a short run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

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
