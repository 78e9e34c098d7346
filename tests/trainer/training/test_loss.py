"""Training reads and asks exactly as chat does: same tokens, same positions, same numbers, gists from a file included.

Plumbing: any starter will do.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.compress import compress
from gistdesk.core.gist import GistKV
from gistdesk.core.gist_file import GistRecord, read_gist, write_gist
from gistdesk.core.layout import encoder_rows
from gistdesk.core.model import GistModel
from gistdesk.core.plan import plan_tokens
from gistdesk.core.prompt import Turn, prompt_of
from tests.core.tiny_models import KINDS, Kind, tiny_model
from tests.trainer.plain import encode_documents
from trainer.data.pool import Pool
from trainer.data.samples import Sample, Samples
from trainer.data.units import unit_of
from trainer.training.loss import _conversation, answer_pass, full_pass, pool_pass
from trainer.training.staged import encode_unit

RATIO = 16.0
CONVERSATIONS = {
    "one question": (Turn("What is the passkey?", "71432"),),
    "Korean": (Turn("패스키는 무엇입니까?", "40917"),),
    "three questions": (
        Turn("What is the passkey?", "71432"),
        Turn("Who founded Amber Glass?", "Ada Stone"),
        Turn("엠버 유리는 누가 세웠나요?", "김민호"),
    ),
    "special tokens as text": (
        Turn("What does <|end|> mean, and <|assistant|>?", "Nothing."),
        Turn("<|user|> says what?", "<|end|>"),
    ),
    "spaces and lines": (Turn("  What\nis it? ", "a b\nc"), Turn("And?", "7")),
}


class Recording(GistModel):
    """The same model; keeps what its answering pass was fed with."""

    def __init__(self, model: GistModel) -> None:
        super().__init__(**{field.name: getattr(model, field.name) for field in fields(model)})
        self.fed: list[tuple[int, int]] = []

    def decode(
        self, input_ids: Tensor, cache: DynamicCache, position: int | Tensor, mask: Tensor | None = None
    ) -> Tensor:
        first = int(position)
        self.fed += [(first + i, token) for i, token in enumerate(input_ids[0].tolist())]
        return super().decode(input_ids, cache, position, mask)


def gist_for(model: GistModel, n_tokens: int = 40) -> GistKV:
    assert model.adapter is not None
    ids = torch.randint(10, 200, (n_tokens,), generator=torch.Generator().manual_seed(3))
    *_, gist = compress(model, plan_tokens(model, ids, ratio=5))
    return gist


def served(model: GistModel, turns: Sequence[Turn], **before: Any) -> list[tuple[int, int]]:
    """Positions and tokens that chat feeds when the last answer is still to come."""
    recording = Recording(model)
    context = Context(recording, **before)
    for _ in context.answer([*turns[:-1], Turn(turns[-1].question)], Sampling(max_tokens=1)):
        pass
    return recording.fed


def trained(model: GistModel, turns: Sequence[Turn], gist: GistKV | None) -> list[tuple[int, int]]:
    """Positions and tokens that training feeds."""
    recording = Recording(model)
    sample = Sample(torch.empty(0, dtype=torch.long), tuple(turns), "en")
    with torch.no_grad():
        answer_pass(recording, prompt_of(model.tokenizer), [None if gist is None else gist.kv], [sample])
    return recording.fed


@pytest.mark.parametrize("turns", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("with_gist", [True, False], ids=["gist", "no document"])
def test_training_feeds_what_chat_feeds(starter: GistModel, turns: tuple[Turn, ...], with_gist: bool) -> None:
    gist = gist_for(starter) if with_gist else None
    for n in range(1, len(turns) + 1):
        chat = served(starter, turns[:n], gists=[gist] if gist else [])
        training = trained(starter, turns[:n], gist)
        answer = str(turns[n - 1].answer)
        n_answer = len(starter.piece_ids(answer, "answer"))
        assert n_answer > 0
        assert training[: len(chat)] == chat
        rest = [token for _, token in training[len(chat) :]]
        assert rest[:n_answer] == starter.piece_ids(answer, "answer")
        assert rest[n_answer] == starter.tokenizer.eos_token_id


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_training_feeds_what_chat_feeds_with_every_template(kind: Kind) -> None:
    model = tiny_model(kind)
    turns = CONVERSATIONS["three questions"]
    gist = gist_for(model)
    for n in range(1, len(turns) + 1):
        chat, training = served(model, turns[:n], gists=[gist]), trained(model, turns[:n], gist)
        assert training[: len(chat)] == chat
        answer = model.piece_ids(str(turns[n - 1].answer), "answer")
        assert [token for _, token in training[len(chat) :]][: len(answer)] == answer


def test_full_text_is_trained_as_it_is_served(starter: GistModel) -> None:
    turns = CONVERSATIONS["three questions"]
    ids = torch.tensor(starter.token_ids(" The harbour was quiet. The passkey is 71432. A grey cat slept."))
    recording = Recording(starter)
    with torch.no_grad():
        full_pass(recording, prompt_of(starter.tokenizer), [Sample(ids, turns, "en")], text_share=0.25)
    chat = served(starter, turns, text_ids=ids)
    assert recording.fed[: len(chat)] == chat


@pytest.mark.parametrize("turns", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_answers_and_their_ends_are_learned_and_nothing_else(starter: GistModel, turns: tuple[Turn, ...]) -> None:
    ids, wanted = _conversation(starter, prompt_of(starter.tokenizer), turns)
    assert len(ids) == len(wanted)
    for i, token in enumerate(wanted):
        assert token == -1 or token == ids[i + 1]
    learned = [token for token in wanted if token >= 0]
    end = starter.tokenizer.eos_token_id
    expected = [t for turn in turns for t in [*starter.piece_ids(str(turn.answer), "answer"), end]]
    assert learned == expected


def test_special_tokens_in_questions_and_answers_stay_text(starter: GistModel) -> None:
    ids, _ = _conversation(starter, prompt_of(starter.tokenizer), CONVERSATIONS["special tokens as text"])
    special = [starter.tokenizer.convert_ids_to_tokens(i) for i in ids if i in starter.tokenizer.all_special_ids]
    assert special == ["<|assistant|>", "<|end|>", "<|user|>", "<|assistant|>", "<|end|>"]


# --- Numbers


def misanswered(sample: Sample) -> Sample:
    """With answers that no model expects: what a good model knows for certain hides every difference."""
    turns = tuple(Turn(turn.question, f"grey {i} 9876 cats") for i, turn in enumerate(sample.turns))
    return replace(sample, turns=turns)


@pytest.fixture(scope="module")
def documents(training_samples: Samples) -> list[Sample]:
    """Of unequal lengths, with one to three questions."""
    return [
        misanswered(training_samples.general(Random(seed), n_tokens, n_facts, n_facts))
        for seed, n_tokens, n_facts in ((1, 200, 1), (2, 90, 3), (3, 430, 2))
    ]


def test_a_batch_gives_what_its_samples_give_alone(starter: GistModel, documents: list[Sample]) -> None:
    prompt = prompt_of(starter.tokenizer)
    with torch.no_grad():
        cut: dict[str, Any] = {"segment_tokens": 128, "ratio": RATIO}
        gists = encode_documents(starter, [sample.token_ids for sample in documents], **cut)
        whole = answer_pass(starter, prompt, gists, documents)
        alone = [
            answer_pass(starter, prompt, encode_documents(starter, [sample.token_ids], **cut), [sample])
            for sample in documents
        ]
    counts = [sum(t >= 0 for t in _conversation(starter, prompt, sample.turns)[1]) for sample in documents]
    mean = sum(n * float(one.answer_loss) for n, one in zip(counts, alone, strict=True)) / sum(counts)
    assert float(whole.answer_loss) == pytest.approx(mean, abs=1e-4)
    assert whole.right.tolist() == [right for one in alone for right in one.right.tolist()]
    assert whole.n_tokens == sum(len(sample.token_ids) for sample in documents) == 720
    assert len(whole.right) == 6


def test_a_gist_from_a_file_gives_the_loss_of_training(
    starter: GistModel, documents: list[Sample], tmp_path: Path
) -> None:
    """The product's path, document by document, against the training batch; float16 in the file costs 2e-3."""
    assert starter.adapter is not None
    prompt, segment_tokens = prompt_of(starter.tokenizer), starter.adapter.segment_tokens
    encoded, loaded = [], []
    for i, sample in enumerate(documents):
        n_slots = round(min(segment_tokens, len(sample.token_ids)) / RATIO)
        encoded += encode_unit(starter, unit_of(starter, "questions", sample, n_slots=n_slots), micro_tokens=300)
        plan = plan_tokens(starter, sample.token_ids, ratio=min(segment_tokens, len(sample.token_ids)) / n_slots)
        *_, gist = compress(starter, plan)
        assert torch.allclose(encoded[-1], gist.kv, atol=1e-4)
        record = GistRecord(gist, starter.identity, "a", "0" * 64, (0,), RATIO, segment_tokens, "2026-01-01")
        write_gist(tmp_path / f"{i}.gistkv", record)
        loaded.append(read_gist(tmp_path / f"{i}.gistkv").gist.kv.float())
    with torch.no_grad():
        training = answer_pass(starter, prompt, encoded, documents)
        served_ = answer_pass(starter, prompt, loaded, documents)
    assert float(served_.answer_loss) == pytest.approx(float(training.answer_loss), abs=1e-2)
    other = answer_pass(starter, prompt, loaded[::-1], documents)
    assert abs(float(other.answer_loss) - float(training.answer_loss)) > 2e-2  # a gist is not any gist


def test_an_answer_is_right_when_chat_would_give_it(starter: GistModel, documents: list[Sample]) -> None:
    """Ask for what the model itself answers: training must then call it right, and anything else wrong."""
    prompt = prompt_of(starter.tokenizer)
    ids = documents[0].token_ids
    [kv] = encode_documents(starter, [ids], segment_tokens=128, ratio=RATIO)
    question = documents[0].turns[0].question
    context = Context(starter, [GistKV(kv, ())])
    answer = "".join(context.answer([Turn(question)], Sampling(max_tokens=24)))
    assert context.figures is not None
    assert context.figures.stopped == "end"
    own = Sample(ids, (Turn(question, answer),), "en")
    other = Sample(ids, (Turn(question, answer + "1"),), "en")
    with torch.no_grad():
        assert answer_pass(starter, prompt, [kv], [own]).right.tolist() == [True]
        assert answer_pass(starter, prompt, [kv], [other]).right.tolist() == [False]


def test_answers_depend_on_the_gist_alone(starter: GistModel, documents: list[Sample]) -> None:
    """With the gists fixed, the documents may be anything."""
    prompt = prompt_of(starter.tokenizer)
    with torch.no_grad():
        gists = encode_documents(starter, [s.token_ids for s in documents], segment_tokens=128, ratio=RATIO)
        blank = [Sample(torch.zeros_like(s.token_ids), s.turns, s.language) for s in documents]
        first, second = (answer_pass(starter, prompt, gists, samples) for samples in (documents, blank))
        none = answer_pass(starter, prompt, [None] * 3, documents)
    assert torch.equal(first.answer_loss, second.answer_loss)
    assert not torch.equal(first.answer_loss, none.answer_loss)


def test_a_document_from_a_pool_is_the_one_that_would_be_encoded(starter: GistModel, training_samples: Samples) -> None:
    """Segments that were encoded once and put together, against the same segments encoded in their places."""
    assert starter.adapter is not None
    prompt = prompt_of(starter.tokenizer)
    keyed, plain = training_samples.passkey_pool(Random(4), [60, 52, 57, 60, 45, 60, 60], 3, "en")
    pool = Pool([misanswered(sample) for sample in keyed], plain, [3, 2, 3, 3, 2, 3, 2])
    texts = [sample.token_ids for sample in keyed] + plain
    random, gists, piled, lengths = Random(13), [], [], []
    for own in range(3):
        order = pool.document(random, own, 6)
        lengths.append(len(order))
        counts = [pool.n_slots[i] for i in order]
        rows = encoder_rows(
            [texts[i] for i in order], counts, bos_ids=starter.bos_ids, gist_ids=starter.adapter.gist_ids
        )
        with torch.no_grad():
            gists.append(starter.encode(rows, torch.arange(sum(counts))))
            piled.append(starter.encode(rows, torch.cat([torch.arange(n) for n in counts])))
    assert max(lengths) > 2
    with torch.no_grad():
        pooled = pool_pass(starter, prompt, pool, n_segments=6, random=Random(13))
        encoded = answer_pass(starter, prompt, gists, pool.keyed)
        wrong = answer_pass(starter, prompt, piled, pool.keyed)  # all segments at the same positions
    assert float(pooled.answer_loss) == pytest.approx(float(encoded.answer_loss), abs=1e-4)
    assert abs(float(wrong.answer_loss) - float(encoded.answer_loss)) > 1e-3
    assert pooled.right.tolist() == encoded.right.tolist()
    assert pooled.n_tokens == sum(map(len, texts))


def test_text_loss_is_that_of_the_text(starter: GistModel, documents: list[Sample]) -> None:
    """Every position scored, against a plain pass over the same tokens."""
    prompt = prompt_of(starter.tokenizer)
    sample = documents[0]
    with torch.no_grad():
        result = full_pass(starter, prompt, [sample], text_share=1.0)
        prefix = starter.template_ids(prompt.prefix)
        ids = torch.tensor([[*prefix, *sample.token_ids.tolist()]])
        plain = float(starter.causal_lm(input_ids=ids, labels=ids).loss)
    assert float(result.text_loss) == pytest.approx(plain, abs=1e-4)
    assert len(result.right) == 1
