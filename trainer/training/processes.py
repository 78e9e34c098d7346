"""One process or several: gradients and figures are summed over all of them (data parallel, by accelerate).

Every process draws the same units and works on its share, so the sum equals that of one process with the whole batch.
DistributedDataParallel's own hooks expect one backward pass per step, but a staged one has many: gradients are summed
once, when all of them are there. Knows nothing of what is trained.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

from gistdesk.core.errors import UserError

_TIMEOUT = timedelta(hours=3)
"""The others wait while the first one evaluates."""


def take_card() -> None:
    """Give this process the card with its number before anything is put on one; does nothing for a single process.

    Raises:
        UserError: there are more processes than cards.
    """
    number, n_cards = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or not torch.cuda.is_available():
        return
    if number >= n_cards:
        raise UserError(
            "This computer has {n} cards, and process {number} was started on it.",
            "Start as many processes as there are cards.",
            n=n_cards,
            number=number + 1,
        )
    torch.cuda.set_device(number)


class Processes:
    """This process among those that `accelerate launch` or torchrun started; alone without them.

    Attributes:
        rank: this process's number, from 0.
        n: how many there are.
    """

    def __init__(self, device: str) -> None:
        self._state: Any = None
        self.rank, self.n = 0, 1
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import PartialState  # type: ignore[import-untyped]

            backend = {"backend": "gloo"} if device == "cpu" else {}
            self._state = PartialState(cpu=device == "cpu", timeout=_TIMEOUT, **backend)
            self.rank, self.n = self._state.process_index, self._state.num_processes

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and events."""
        return self.rank == 0

    def add_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace every gradient by its sum over all processes; a missing one counts as zero."""
        if self.n == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = self.add(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def add(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.n == 1:
            return values
        from accelerate.utils import reduce  # type: ignore[import-untyped]

        total: Tensor = reduce(values.to(self._state.device), "sum")
        return total.to(values.device)

    def from_first(self, value: str) -> str:
        """The first process's value."""
        if self.n == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return str(broadcast_object_list([value])[0])

    def wait(self) -> None:
        if self.n > 1:
            self._state.wait_for_everyone()

    def leave(self) -> None:
        """End the process group; without this, PyTorch warns at exit."""
        if self.n > 1:
            self._state.destroy_process_group()
