"""A gist adapter in training, as a module with parameters.

Knows how it starts; knows nothing of losses, data or files.
"""

import torch
from torch import nn

from gistdesk.core.adapter import Adapter

_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class TrainableAdapter(nn.Module):
    """LoRA factors for every linear layer and gist rows, beside a base model that they do not touch.

    B starts at zero and A as in Kaiming's uniform rule, so that training starts from the base itself (LoRA, section
    4.1); gist rows start at the vocabulary's mean plus small distinct noise, a tenth of the rows' own spread.
    """

    def __init__(
        self, stack: nn.Module, *, gist_ids: tuple[int, ...], segment_tokens: int, rank: int, seed: int
    ) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self._gist_ids, self._segment_tokens = gist_ids, segment_tokens
        self._names: list[str] = []
        self.a, self.b = nn.ParameterList(), nn.ParameterList()
        for name, module in stack.named_modules():
            if isinstance(module, nn.Linear) and name.rsplit(".", 1)[-1] in _LINEAR:
                # a quantized weight's shape differs from its layer's
                a = (torch.rand(rank, module.in_features, generator=random) * 2 - 1) * module.in_features**-0.5
                self._names.append(name)
                self.a.append(nn.Parameter(a))
                self.b.append(nn.Parameter(torch.zeros(module.out_features, rank)))
        table = stack.get_parameter("embed_tokens.weight").detach().float()
        noise = torch.randn(len(gist_ids), table.shape[1], generator=random)
        self.gist_rows = nn.Parameter(table.mean(0) + 0.1 * table.std() * noise)

    def adapter(self) -> Adapter:
        """The adapter as the encoding pass takes it; shares the parameters, so gradients reach them."""
        lora = {name: (a, b) for name, a, b in zip(self._names, self.a, self.b, strict=True)}
        return Adapter(lora, 1.0, self.gist_rows, self._gist_ids, self._segment_tokens)
