"""Ranking by words is Lucene's BM25; ranking by meaning is MiniLM's, where it is installed."""

import importlib
from random import Random

import numpy as np
import pytest

from gistdesk.core import ranking
from gistdesk.core.errors import UserError
from gistdesk.core.ranking import Bm25, Embeddings, check_ranking, embeddings_installed, ranker_of, words_of

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
    scores = Bm25(texts).scores(question)
    assert max(range(len(scores)), key=scores.__getitem__) == best


def test_nothing_matches_nothing() -> None:
    assert Bm25(TEXTS).scores("xylophone") == [0.0] * 5
    assert Bm25([]).scores("cat") == []
    assert Bm25(["", ""]).scores("cat") == [0.0, 0.0]


@needs_embeddings
def test_the_best_text_is_found_by_meaning() -> None:
    ranker = ranker_of(TEXTS[:4])
    assert ranker.name == "embeddings"
    for question, best in (("an animal that is asleep", 0), ("bad visibility at sea", 3), ("the guard's note", 1)):
        scores = ranker.scores(question)
        assert max(range(4), key=scores.__getitem__) == best
        assert all(-1.001 < score < 1.001 for score in scores)
    assert ranker.n_bytes == 4 * 384 * 4


@needs_embeddings
def test_embeddings_are_those_of_sentence_transformers() -> None:
    package = importlib.import_module(ranking.EMBEDDING_PACKAGE)
    library = importlib.import_module("sentence_transformers")
    expected = library.SentenceTransformer(str(package.get_model_path()), device="cpu").encode(TEXTS[:4])
    ours = Embeddings(TEXTS[:4])._vectors.numpy()
    assert np.abs(ours - expected).max() < 1e-5


def test_korean_is_ranked_by_words() -> None:
    assert ranker_of(KOREAN).name == "bm25"


def test_without_the_extra_words_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "EMBEDDING_PACKAGE", "no_such_package")
    assert ranker_of(TEXTS).name == "bm25"
    check_ranking("auto")
    check_ranking("bm25")
    with pytest.raises(UserError, match="embedding model is not installed") as caught:
        ranker_of(TEXTS, "embeddings")
    assert "pip install gistdesk[rag]" in caught.value.hint
