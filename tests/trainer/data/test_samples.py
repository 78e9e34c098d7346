"""Training samples: the length that was asked for, their facts inside, nothing of the evaluation in them."""

from collections.abc import Callable
from random import Random

import pytest
import torch
from torch import Tensor

from gistdesk.core.model import GistModel
from trainer.data.facts import GENERAL, LANGUAGES, PASSKEY
from trainer.data.haystack import haystack_names, haystack_text
from trainer.data.samples import Sample, Samples, _hidden

Draw = Callable[[Samples, Random, int], Sample]
DRAWS: dict[str, Draw] = {
    "one passkey": lambda samples, random, n: samples.passkey(random, n),
    "four passkeys": lambda samples, random, n: samples.passkey(random, n, 4),
    "one fact": lambda samples, random, n: samples.general(random, n, 1, 1),
    "six facts": lambda samples, random, n: samples.general(random, n, 6, 4),
}


WITH_WORDS = DRAWS | {
    "three words": lambda samples, random, n: samples.words(random, n, 3, random.choice(LANGUAGES)),
}


def places(ids: Tensor, wanted: list[int]) -> list[int]:
    """Where a run of tokens starts."""
    windows = ids.unfold(0, len(wanted), 1)
    return [int(i) for i in (windows == torch.tensor(wanted)).all(dim=1).nonzero()[:, 0]]


@pytest.mark.parametrize("draw", WITH_WORDS.values(), ids=WITH_WORDS)
def test_a_sample_is_a_function_of_its_generator(training_samples: Samples, draw: Draw) -> None:
    first, again, other = (draw(training_samples, Random(seed), 300) for seed in (5, 5, 6))
    assert first.turns == again.turns
    assert torch.equal(first.token_ids, again.token_ids)
    assert first.turns != other.turns


def test_a_sample_does_not_depend_on_what_was_drawn_before(training_samples: Samples, starter: GistModel) -> None:
    evaluation = Samples(starter, evaluation=True)
    first = evaluation.passkey(Random(9), 200)
    for seed in range(5):
        evaluation.general(Random(seed), 500, 4, 2)
    assert torch.equal(first.token_ids, evaluation.passkey(Random(9), 200).token_ids)
    assert not torch.equal(first.token_ids, training_samples.passkey(Random(9), 200).token_ids)


@pytest.mark.parametrize("draw", WITH_WORDS.values(), ids=WITH_WORDS)
@pytest.mark.parametrize("n_tokens", [256, 512, 3000])
def test_documents_have_the_length_asked_for(training_samples: Samples, draw: Draw, n_tokens: int) -> None:
    for seed in range(6):
        assert len(draw(training_samples, Random(seed), n_tokens).token_ids) == n_tokens


def test_a_document_is_longer_only_when_its_facts_alone_are(training_samples: Samples) -> None:
    for seed in range(10):
        sample = training_samples.general(Random(seed), 20, 6, 6)
        again = training_samples.general(Random(seed), 1, 6, 6)
        assert len(sample.token_ids) == len(again.token_ids) > 20  # nothing but the facts, in both


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_documents_hold_their_answers_word_for_word(training_samples: Samples, starter: GistModel, draw: Draw) -> None:
    for seed in range(15):
        sample = draw(training_samples, Random(seed), 400)
        text = starter.tokenizer.decode(sample.token_ids)
        assert sample.turns
        for turn in sample.turns:
            assert turn.answer
            assert turn.answer in text


@pytest.mark.parametrize("evaluation", [False, True])
def test_needles_stand_whole_between_haystack_pieces(
    training_samples: Samples, evaluation_samples: Samples, starter: GistModel, evaluation: bool
) -> None:
    """Take the one statement out again: what is left is one stretch of one file."""
    samples = evaluation_samples if evaluation else training_samples
    stacks = {
        language: [haystack_text(name) for name in haystack_names(language, evaluation=evaluation)]
        for language in LANGUAGES
    }
    kept = 0
    for seed in range(12):
        random = Random(seed)
        sample = samples.passkey(random, 300)
        text = starter.tokenizer.decode(sample.token_ids)
        answer = str(sample.turns[0].answer)
        before, after = text.split(answer)[0], text.split(answer)[-1]
        # The rest of a statement is at most 90 characters long; a cut through a Korean syllable leaves up to 3 marks.
        before, after = before[3:-90], after[90:-3]
        whole = [stack for stack in stacks[sample.language] if before in stack and after in stack]
        kept += len(before) + len(after)
        assert whole, (seed, before, after)
    assert kept > 3000


def test_needles_reach_both_ends_and_mostly_stand_between_sentences() -> None:
    hay, starts = torch.arange(100, 400), torch.tensor([37, 120, 121, 250])
    n_at: dict[int, int] = {}
    for seed in range(400):
        ids = _hidden(Random(seed), hay, starts, [torch.tensor([7, 8, 9])])
        [place] = places(ids, [7, 8, 9])
        assert torch.equal(torch.cat([ids[:place], ids[place + 3 :]]), hay)
        n_at[place] = n_at.get(place, 0) + 1
    assert n_at[0] > 10
    assert n_at[300] > 10
    assert sum(n_at[int(start)] for start in starts) > 240
    assert len(n_at) > 30  # and anywhere, for texts that do not end their sentences plainly


def test_several_needles_keep_their_order() -> None:
    needles = [torch.tensor([i, i]) for i in range(5)]
    for seed in range(20):
        ids = _hidden(Random(seed), torch.arange(100, 200), torch.tensor([50]), needles)
        assert [i for i in ids.tolist() if i < 5] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
        assert len(ids) == 110


def test_both_languages_are_drawn(training_samples: Samples) -> None:
    languages = [training_samples.passkey(Random(seed), 64).language for seed in range(60)]
    assert 18 <= languages.count("en") <= 42
    assert set(languages) == set(LANGUAGES)


def test_several_keys_have_names_of_their_own(training_samples: Samples) -> None:
    for seed in range(10):
        turns = training_samples.passkey(Random(seed), 500, 4).turns
        assert len(turns) == 4
        assert len({turn.question for turn in turns}) == 4


def test_as_many_questions_as_asked_for(training_samples: Samples) -> None:
    assert len(training_samples.general(Random(1), 400, 6, 4).turns) == 4
    assert len(training_samples.general(Random(1), 400, 3, 3).turns) == 3


def test_training_asks_in_training_wordings_and_evaluation_in_held_out_ones(
    training_samples: Samples, evaluation_samples: Samples
) -> None:
    """By the questions, up to where the subject begins: a Korean question begins with it, so by the end there."""

    def tails(evaluation: bool) -> set[str]:
        found = set()
        for kind in (PASSKEY, *GENERAL.values()):
            for wording in (kind.en, kind.ko):
                for question in [wording.held_out[1]] if evaluation else wording.questions:
                    found.add(max(question.split("{s}"), key=len).split(")")[-1].strip().casefold())
        return found

    for evaluation, samples in ((False, training_samples), (True, evaluation_samples)):
        allowed = tails(evaluation)
        for seed in range(60):
            for draw in DRAWS.values():
                for turn in draw(samples, Random(seed), 200).turns:
                    question = turn.question.casefold()
                    assert any(tail in question for tail in allowed), question
    training = {t.question for s in range(60) for t in training_samples.general(Random(s), 200, 4, 4).turns}
    evaluation_ = {t.question for s in range(60) for t in evaluation_samples.general(Random(s), 200, 4, 4).turns}
    assert not training & evaluation_


LENGTHS = [90, 70, 85, 88, 90, 60, 90, 75, 90, 90, 81, 90]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pool_holds_segments_with_and_without_a_passkey(
    training_samples: Samples, starter: GistModel, language: str
) -> None:
    keyed, plain = training_samples.passkey_pool(Random(3), LENGTHS, 5, language)
    again, _ = training_samples.passkey_pool(Random(3), LENGTHS, 5, language)
    assert [sample.turns for sample in keyed] == [sample.turns for sample in again]
    assert [len(ids) for ids in [*(sample.token_ids for sample in keyed), *plain]] == LENGTHS
    assert {sample.language for sample in keyed} == {language}
    for sample in keyed:
        assert str(sample.turns[0].answer) in starter.tokenizer.decode(sample.token_ids)
    texts = [haystack_text(name) for name in haystack_names(language, evaluation=False)]
    for ids in plain:  # running text as it is, cut syllables at the ends aside
        assert any(starter.tokenizer.decode(ids)[3:-3] in text for text in texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_those_of_the_haystack(training_samples: Samples, starter: GistModel, language: str) -> None:
    texts = [haystack_text(name) for name in haystack_names(language, evaluation=False)]
    keyed, plain = training_samples.words_pool(Random(3), LENGTHS, 5, 2, language)
    assert [len(ids) for ids in [*(sample.token_ids for sample in keyed), *plain]] == LENGTHS
    for sample in keyed:
        text = starter.tokenizer.decode(sample.token_ids)
        assert len(sample.turns) == 2
        for turn in sample.turns:
            answer = str(turn.answer)
            assert answer.casefold() in text.casefold()
            assert all(any(word in each for each in texts) for word in answer.split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_segments_of_a_fact_pool_answer_one_question(
    training_samples: Samples, starter: GistModel, language: str
) -> None:
    for seed in range(5):
        keyed, plain = training_samples.fact_pool(Random(seed), LENGTHS, 9, 3, language)
        assert (len(keyed), len(plain)) == (9, 3)
        answers: dict[str, set[str]] = {}
        for sample in keyed:
            assert len(sample.turns) == 3
            text = starter.tokenizer.decode(sample.token_ids)
            for turn in sample.turns:
                assert str(turn.answer) in text
                answers.setdefault(turn.question, set()).add(str(turn.answer))
        assert all(len(values) == 1 for values in answers.values())


# --- Haystacks


def test_files_are_for_training_or_for_evaluation() -> None:
    for language in LANGUAGES:
        training = set(haystack_names(language, evaluation=False))
        evaluation = set(haystack_names(language, evaluation=True))
        assert training
        assert evaluation
        assert not training & evaluation
        assert all(name.startswith(language) for name in training | evaluation)


@pytest.mark.parametrize("language", LANGUAGES)
def test_training_and_evaluation_texts_share_no_stretch_of_60_characters(language: str) -> None:
    """Every stretch of 60 characters holds a whole block of 30 that starts at a multiple of 30."""
    blocks: dict[str, tuple[str, int]] = {}
    texts = {name: haystack_text(name) for name in haystack_names(language, evaluation=False)}
    for name, text in texts.items():
        blocks.update((text[i : i + 30], (name, i)) for i in range(0, len(text) - 30, 30))
    longest = 0
    for name in haystack_names(language, evaluation=True):
        text = haystack_text(name)
        for i in range(len(text) - 30):
            if (found := blocks.get(text[i : i + 30])) is not None:
                longest = max(longest, common(text, i, texts[found[0]], found[1]))
    assert longest < 60
    [name] = haystack_names(language, evaluation=True)
    assert common(haystack_text(name), 1000, haystack_text(name), 1000) > 60  # the measure does measure


def common(first: str, i: int, second: str, j: int) -> int:
    """Length of the common stretch around two places, up to 200 characters each way."""
    before = after = 0
    while after < 200 and first[i + after : i + after + 1] == second[j + after : j + after + 1] != "":
        after += 1
    while before < 200 and i > before and j > before and first[i - before - 1] == second[j - before - 1]:
        before += 1
    return before + after


def test_haystacks_are_lines_of_text_without_gaps() -> None:
    for language in LANGUAGES:
        for evaluation in (False, True):
            for name in haystack_names(language, evaluation=evaluation):
                text = haystack_text(name)
                assert len(text) > 80_000
                assert "\n" not in text
                assert "  " not in text
                assert text == text.strip()
