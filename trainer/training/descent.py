"""How weights are updated: the learning rate schedule, clipping, the optimizers, and what a checkpoint keeps of it all.

The same for every run of the loop. Knows nothing of losses, data or files.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


def share_of_peak(step: int, *, steps: int, warmup_steps: int, fall_share: float) -> float:
    """Linear warm-up, the peak, then a straight fall to a fiftieth over the last `fall_share` of the steps."""
    left = (steps - step) / max(1.0, steps * fall_share)
    warm = (step + 1) / max(1, warmup_steps)
    return min(1.0, warm, max(0.02, left))


class Descent:
    """Weights with the optimizers that update them.

    Attributes:
        parameters: all that are being trained.
    """

    def __init__(
        self,
        named: Mapping[str, torch.nn.Parameter],
        optimizers: Mapping[str, tuple[torch.optim.Optimizer, float]],
        *,
        clip: float,
    ) -> None:
        """Make everything ready for the first step.

        Args:
            named: every parameter by a name that stays the same across restarts.
            optimizers: by name, with their peak learning rates.
            clip: the norm of the gradient of all parameters is held below this.
        """
        self._named, self._optimizers, self._clip = named, optimizers, clip
        self.parameters = list(named.values())

    def step(self, share: float) -> float:
        """Take one step at this share of the peak rates, with the current gradients -> their norm.

        Non-finite gradients change nothing.
        """
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, self._clip))
        for optimizer, peak in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = peak * share
            if math.isfinite(norm):
                optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return norm

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and moments as named tensors, and the optimizers' plain values."""
        tensors: dict[str, Tensor] = {f"weight.{name}": p for name, p in self._named.items()}
        plain: dict[str, Any] = {}
        for name, (optimizer, _) in self._optimizers.items():
            for index, values in optimizer.state_dict()["state"].items():
                for key, value in _flat(values):
                    kept = tensors if isinstance(value, Tensor) else plain
                    kept[f"{name}.{index}.{key}"] = value
        return tensors, plain

    def restore(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        with torch.no_grad():
            for name, parameter in self._named.items():
                parameter.copy_(tensors[f"weight.{name}"])
        for name, (optimizer, _) in self._optimizers.items():
            state: dict[int, dict[str, Any]] = {}
            for index, keys, value in _of(name, {**tensors, **plain}):
                place = state.setdefault(index, {})
                for key in keys[:-1]:
                    place = place.setdefault(key, {})
                place[keys[-1]] = value
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Flatten nested dictionaries to dotted names: bitsandbytes keeps its 8-bit moments one level deeper."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{inner}", found) for inner, found in _flat(value))
        else:
            yield key, value


def _of(optimizer: str, values: Mapping[str, Any]) -> Iterator[tuple[int, list[str], Any]]:
    for name, value in values.items():
        if name.startswith(f"{optimizer}."):
            index, *keys = name.removeprefix(f"{optimizer}.").split(".")
            yield int(index), keys, value
