"""One language model with its gist adapter: the encoding pass, the answering pass, and nothing between them.

`encode` runs with the adapter's weights and returns only the keys and values at gist positions; `decode` runs the
untouched base model. All that an answer knows of a document went through that return value.
Does not know about documents, files on disk or training.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from gistdesk.core.adapter import Adapter, Encoder
from gistdesk.core.attention import BiasedCache, Watch, attention_of
from gistdesk.core.fingerprint import of_files
from gistdesk.core.gist import place, rotate_keys
from gistdesk.core.layout import EncoderRows
from gistdesk.core.plain_text import plain_ids
from gistdesk.core.prompt import Role

_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "…", '."', '!"', '?"', ".”", "!”", "?”", "\n")


@dataclass(frozen=True)
class ModelIdentity:
    """Names and fingerprints that tie a gist to what made it. Empty adapter fields mean no adapter."""

    model_id: str
    model_fingerprint: str
    tokenizer_fingerprint: str
    adapter_fingerprint: str


@dataclass(frozen=True)
class TextTokenizer:
    """A model's fast tokenizer on its own, for counting."""

    tokenizer: Any

    def token_ids(self, text: str) -> list[int]:
        """Tokens of a user's text. Text that spells a special token stays text: it cannot end a turn or a thought."""
        return plain_ids(self.tokenizer, text)


@dataclass
class GistModel:
    """A causal decoder, its tokenizer and its gist adapter, on one device.

    Attributes:
        causal_lm: the base model. Its own weights are never changed.
        tokenizer: the base model's fast tokenizer.
        identity: what a gist file must match.
        adapter: gist tokens and segment size; None when no adapter is loaded.
        encoder: the decoder stack with the adapter on; None when no adapter is loaded.
    """

    causal_lm: Any
    tokenizer: Any
    identity: ModelIdentity
    adapter: Adapter | None = None
    encoder: Encoder | None = None
    _ends_sentence: Tensor | None = field(default=None, repr=False)

    @property
    def device(self) -> torch.device:
        return torch.device(self.causal_lm.device)

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.causal_lm.dtype
        return dtype

    @property
    def precision(self) -> str:
        """How the weights are held: "nf4", "int8", "bf16" or "fp32"."""
        return of_files(self.identity.model_fingerprint)[1] or ("fp32" if self.dtype == torch.float32 else "bf16")

    @property
    def n_parameters(self) -> int:
        return sum(p.numel() for p in self.causal_lm.parameters())

    @property
    def inv_freq(self) -> Tensor:
        """(head_dim / 2,) radians per position."""
        inv_freq: Tensor = self.causal_lm.model.rotary_emb.inv_freq
        return inv_freq

    @property
    def max_positions(self) -> int:
        return int(self.causal_lm.config.max_position_embeddings)

    @property
    def kv_shape(self) -> tuple[int, int, int, int]:
        """(n_layers, 2, n_kv_heads, head_dim) of the keys and values at one position."""
        config = self.causal_lm.config
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return int(config.num_hidden_layers), 2, int(config.num_key_value_heads), int(head_dim)

    @property
    def bos_ids(self) -> list[int]:
        bos = self.tokenizer.bos_token_id
        return [] if bos is None else [int(bos)]

    @property
    def ends_sentence(self) -> Tensor:
        """(vocab_size,) bool: the token's text ends a sentence. Computed once."""
        if self._ends_sentence is None:
            n_ids = max(len(self.tokenizer), int(self.causal_lm.config.vocab_size))
            ends = torch.zeros(n_ids, dtype=torch.bool)
            texts = self.tokenizer.batch_decode([[i] for i in range(len(self.tokenizer))])
            ends[: len(texts)] = torch.tensor([text.rstrip(" ").endswith(_SENTENCE_ENDS) for text in texts])
            self._ends_sentence = ends
        return self._ends_sentence

    def token_ids(self, text: str) -> list[int]:
        """Tokens of a user's text: see `TextTokenizer`."""
        return TextTokenizer(self.tokenizer).token_ids(text)

    def template_ids(self, text: str) -> list[int]:
        """Tokens of a piece of the chat template, special tokens included."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def piece_ids(self, text: str, role: Role) -> list[int]:
        """Tokens of one of `Prompt.pieces`."""
        return self.template_ids(text) if role == "template" else self.token_ids(text)

    def encode(self, rows: EncoderRows, slot_positions: Tensor) -> Tensor:
        """The encoding pass: adapter on, segments in, gist KV out.

        Args:
            rows: segments and gist tokens, see `layout.encoder_rows`.
            slot_positions: (n_slots,) position of each slot's key.

        Returns:
            (n_layers, 2, n_kv_heads, n_slots, head_dim), on the model's device.
        """
        if self.encoder is None:
            raise RuntimeError("encode() needs a model with a gist adapter")
        ids = rows.input_ids.to(self.device)
        row, column = rows.slot_rows.to(self.device), rows.slot_columns.to(self.device)
        cached: list[Any] = list(self.encoder(ids).layers)
        shift = slot_positions.to(self.device) - column
        layers = []
        for layer in cached:
            keys = layer.keys.transpose(1, 2)[row, column].transpose(0, 1)
            values = layer.values.transpose(1, 2)[row, column].transpose(0, 1)
            layers.append(torch.stack([rotate_keys(keys, shift, self.inv_freq), values]))
        return torch.stack(layers)

    def decode(
        self,
        input_ids: Tensor,
        cache: DynamicCache,
        position: int | Tensor,
        mask: Tensor | None = None,
        watch: Watch | None = None,
    ) -> Tensor:
        """The answering pass: adapter off, any number of tokens after the contents of `cache`, which it extends.

        Args:
            input_ids: (batch, n_tokens).
            cache: everything before them.
            position: of the first new token; (batch, 1) if the rows differ, (batch, n_tokens) of each by itself.
            mask: (batch, n_cached + n_tokens), 0 where a row is padded; or (batch, 1, n_tokens, n_cached + n_tokens),
                true where a new token sees another. None: each sees all before it; always so after a biased cache.
            watch: called with every layer's queries and keys.

        Returns:
            hidden states after the final norm, (batch, n_tokens, hidden_size).
        """
        positions = position
        if not isinstance(position, Tensor) or position.shape != input_ids.shape:
            steps = torch.arange(input_ids.shape[1], device=self.device)[None, :]
            positions = (steps + position).expand(input_ids.shape[0], -1)
        if mask is not None and mask.dim() == 4:  # eager attention adds it to the scores
            mask = torch.zeros(mask.shape, dtype=self.dtype).masked_fill_(~mask.cpu(), torch.finfo(self.dtype).min)
        with attention_of(cache, self.causal_lm.config, watch) as more:
            hidden: Tensor = self.causal_lm.model(
                input_ids=input_ids.to(self.device),
                past_key_values=cache,
                position_ids=positions,
                attention_mask=None if mask is None else mask.to(self.device),
                use_cache=True,
                **more,
            ).last_hidden_state
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., hidden_size) -> (..., vocab_size)."""
        logits: Tensor = self.causal_lm.lm_head(hidden)
        return logits

    def cache_of(self, kv: Tensor) -> DynamicCache:
        """A cache of one or more rows. kv: (n_layers, 2, batch, n_kv_heads, n_slots, head_dim)."""
        return DynamicCache([(layer[0], layer[1]) for layer in kv.unbind(0)], config=self.causal_lm.config)

    def biased_cache_of(self, prefix: Tensor, kv: Tensor, bias: Tensor) -> DynamicCache:
        """A cache of one row, in which each layer only takes as much memory as its head with the most slots needs.

        Args:
            prefix: comes first, without a bias, (n_layers, 2, n_kv_heads, n_prefix, head_dim).
            kv: the slots after it, as if the first of them were at position 0, (n_layers, 2, n_kv_heads, n_slots,
                head_dim); on any device, in any precision.
            bias: (n_layers, n_kv_heads, n_slots), -inf where a slot is unused.
        """
        layers, biases = [], []
        for first, layer, own in zip(prefix, kv, bias.to(kv.device), strict=True):
            used = own.isfinite()
            order = (~used).long().argsort(dim=1, stable=True)[:, : int(used.sum(dim=1).max())]
            packed = layer.gather(2, order[None, :, :, None].expand(2, -1, -1, layer.shape[3])).to(prefix)
            placed = place(packed[None], prefix.shape[3], self.inv_freq)[0]
            keys, values = torch.cat([first, placed], dim=2).unsqueeze(1)
            layers.append((keys, values))
            of_slots = own.gather(1, order).to(prefix.device, torch.float32)
            biases.append(torch.nn.functional.pad(of_slots, (prefix.shape[3], 0)))
        return BiasedCache(layers, biases, self.causal_lm.config)


def cached_kv(cache: DynamicCache) -> Tensor:
    """The contents of a cache, as (n_layers, 2, batch, n_kv_heads, n_cached, head_dim)."""
    layers: list[Any] = list(cache.layers)
    return torch.stack([torch.stack([layer.keys, layer.values]) for layer in layers])
