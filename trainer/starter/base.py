"""The starter model before training: its tokenizer, its shape and its random weights.

Knows nothing of the training recipe.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trainer.data.facts import GENERAL, LANGUAGES, draw_fact
from trainer.data.haystack import haystack_names, haystack_text

VOCABULARY = 8192
N_GIST = 64
SEGMENT_TOKENS = 512
GIST_IDS = tuple(range(VOCABULARY - N_GIST, VOCABULARY))
"""The last rows of the embedding. The tokenizer has no text for them, so no document can spell a gist token."""

_SPECIAL = ("<|begin|>", "<|user|>", "<|assistant|>", "<|end|>")
_TEMPLATE = (
    "{{ '<|begin|>' }}{% for message in messages %}{% if message['role'] == 'assistant' %}{{ message['content'] + "
    "'<|end|>' }}{% else %}{{ '<|user|>' + message['content'] }}{% if message['role'] == 'user' and (not loop.last or "
    "add_generation_prompt) %}{{ '<|assistant|>' }}{% endif %}{% endif %}{% endfor %}"
)


def build_tokenizer(folder: Path, seed: int) -> None:
    """Train the byte-level BPE on the training texts and generated facts, and write it to `folder`, which is not there.

    Digits stay single, so that a number is copied digit by digit. Every text starts with a space, so that a name at
    the start of an answer has the same tokens as inside the document; decoding removes that space. The Korean text
    is a twentieth of the English one and is repeated eight times, so that its words become tokens, too. The folder
    appears only once it is complete.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.ByteLevel(add_prefix_space=True), pre_tokenizers.Digits(individual_digits=True)]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - N_GIST,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(Random(seed)), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=_SPECIAL[0],
        eos_token=_SPECIAL[3],
        pad_token=_SPECIAL[3],
        additional_special_tokens=list(_SPECIAL[1:3]),
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = _TEMPLATE
    fresh = folder.with_name(folder.name + ".new")
    fast.save_pretrained(fresh)
    fresh.replace(folder)


def _corpus(random: Random) -> Iterator[str]:
    for language, times in (("en", 1), ("ko", 8)):
        for name in haystack_names(language, evaluation=False):
            for _ in range(times):
                yield haystack_text(name)
    for language in LANGUAGES:
        for kind in ("passkey", *GENERAL):
            for _ in range(800):
                fact = draw_fact(random, language, kind)
                yield f"{fact.statement} {fact.question} {fact.answer}"


def build_base(seed: int) -> LlamaForCausalLM:
    """A Llama of 7 million parameters with random weights.

    RoPE theta 500,000: with 10,000 the accuracy at 512 tokens was unstable in the first trials.
    """
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=256,
            num_hidden_layers=6,
            num_attention_heads=4,
            num_key_value_heads=4,
            intermediate_size=768,
            max_position_embeddings=32768,
            rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=3,
            pad_token_id=3,
        )
    )
