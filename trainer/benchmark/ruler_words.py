"""RULER's aggregation tasks (Hsieh et al., 2024): documents consisting only of words, some of them frequent.

**ruler-cwe**, common words: a numbered list in which ten words occur 30 times each and others three times each, or
proportionally less often if the list is too short.

**ruler-fwe**, frequent words: invented words drawn from a zeta distribution with
exponent 2, the most frequent of which is "...." and does not count; the next three are asked for.

A grid's depth has no meaning for them. Knows nothing of tokens beyond how many a text has.
"""

from collections import Counter
from collections.abc import Callable
from random import Random

from trainer.benchmark.needles import Needle

WORD_KINDS = ("ruler-cwe", "ruler-fwe")

_N_COMMON, _TIMES_COMMON, _TIMES_OTHERS = 10, 30, 3
_N_FREQUENT = 3
_EXPONENT = 2.0
_DOTS = "...."
_ASK = {
    ("ruler-cwe", "en"): "What are the 10 most common words in the above list?",
    ("ruler-cwe", "ko"): "위 목록에서 가장 자주 나온 낱말 10개는 무엇입니까?",
    ("ruler-fwe", "en"): "Do not provide any explanation. Please ignore the dots '....'. What are the three most "
    "frequently appeared words in the above coded text?",
    ("ruler-fwe", "ko"): "설명하지 마세요. 점 '....'은 무시하세요. 위 글에서 가장 자주 나온 낱말 세 개는 무엇입니까?",
}


def words_document(
    kind: str, random: Random, language: str, words: list[str], n_tokens: int, count: Callable[[str], int]
) -> tuple[str, Needle]:
    """The longest document of at most `n_tokens` tokens, and its question; deterministic for a given `random`.

    Args:
        words: to make lists from; invented words need none.
        count: gives the number of tokens in a text.
    """
    seed = random.random()
    make = _common if kind == "ruler-cwe" else _frequent
    low, high = 1, max(2, n_tokens)
    while high - low > 1:  # the number of words whose text just fits
        middle = (low + high) // 2
        text, _ = make(Random(seed), words, middle)
        low, high = (middle, high) if count(text) <= n_tokens else (low, middle)
    text, right = make(Random(seed), words, low)
    return text, Needle((), _ASK[kind, language], ", ".join(right), False, values=right)


def _common(random: Random, words: list[str], n_words: int) -> tuple[str, tuple[str, ...]]:
    drawn = random.sample(words, len(words))
    common, others = tuple(drawn[:_N_COMMON]), drawn[_N_COMMON:]
    times = max(2, min(_TIMES_COMMON, n_words // (2 * _N_COMMON)))
    rest = max(1, min(_TIMES_OTHERS, times // 2))
    listed = [word for word in common for _ in range(times)]
    for word in others:
        if len(listed) + rest > n_words:
            break
        listed += [word] * rest
    random.shuffle(listed)
    return " ".join(f"{number}. {word}" for number, word in enumerate(listed, 1)), common


def _frequent(random: Random, words: list[str], n_words: int) -> tuple[str, tuple[str, ...]]:
    invented = list(dict.fromkeys(_invented(random) for _ in range(200)))
    ranked = [_DOTS, *invented]
    weights = [1 / rank**_EXPONENT for rank in range(1, len(ranked) + 1)]
    drawn = random.choices(ranked, weights, k=n_words)
    counts = Counter(word for word in drawn if word != _DOTS)
    order = sorted(counts, key=lambda word: (-counts[word], ranked.index(word)))
    return " ".join(drawn), tuple(order[:_N_FREQUENT])


def _invented(random: Random) -> str:
    return "".join(random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(6))
