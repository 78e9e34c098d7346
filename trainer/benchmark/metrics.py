"""How an answer is scored against the right one: the published rules, each a function from texts to a number, 0 to 1.

LongBench's rules (Bai et al., 2023) for question answering, summaries, classes, paragraphs, counts and code; RULER's
(Hsieh et al., 2024) for retrieval; ROUGE as rouge-score counts it. Korean is compared by
character, because words carry particles. Knows nothing of models or tasks.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from difflib import SequenceMatcher

Score = Callable[[str, str], float]
"""Maps a given answer and a right answer to a number from 0 to 1."""

_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")
_EASTERN_PUNCTUATION = re.compile(
    f"[{re.escape(string.punctuation)}！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～《》「」『』【】〔〕〈〉·‘’“”…、]"
)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation or articles (SQuAD's normal form)."""
    return _ARTICLES.sub(" ", _PUNCTUATION.sub("", text.lower())).split()


def characters_of(text: str) -> list[str]:
    """Every character except spaces and punctuation: what Korean is compared by."""
    return [character for character in _EASTERN_PUNCTUATION.sub("", text.lower()) if not character.isspace()]


def f1(given: Sequence[Hashable], right: Sequence[Hashable]) -> float:
    """Harmonic mean of precision and recall over two bags."""
    n_same = sum((Counter(given) & Counter(right)).values())
    return 2 * n_same / (len(given) + len(right)) if n_same else 0.0


def word_f1(given: str, right: str) -> float:
    """LongBench's qa_f1_score."""
    return f1(words_of(given), words_of(right))


def character_f1(given: str, right: str) -> float:
    """The same by character, for Korean."""
    return f1(characters_of(given), characters_of(right))


_HANGUL = re.compile("[가-힣]")


def answer_words(text: str) -> list[str]:
    """As `words_of`, without currency signs, with hyphens as spaces and "per cent" for %."""
    return words_of(re.sub(r"[-–—/£€¥₩]", " ", text).replace("%", " per cent ").replace("percent", "per cent"))


def is_contained(given: str, right: str) -> bool:
    """Whether an answer says the right one, in however many words: "According to the text, it is 12." holds "12"."""
    if _HANGUL.search(right + given):  # particles follow without a space
        wanted, whole = ("".join(characters_of(text)) for text in (right, given))
        return bool(wanted) and bool(re.search(rf"(?<!\d){re.escape(wanted)}(?!\d)", whole))
    wanted_words, words = answer_words(right), answer_words(given)
    n = len(wanted_words)
    return n > 0 and any(words[i : i + n] == wanted_words for i in range(len(words) - n + 1))


def is_exact(given: str, right: str) -> bool:
    """Whether an answer is the right one and nothing else."""
    if _HANGUL.search(right):
        return characters_of(given) == characters_of(right)
    return answer_words(given) == answer_words(right)


def token_f1(given: str, right: str) -> float:
    """SQuAD's F1 over words, or over characters if the right answer is Korean."""
    return character_f1(given, right) if _HANGUL.search(right) else word_f1(given, right)


def rouge_l_of(given: str, right: str) -> float:
    """ROUGE-L over words, or over characters if the right answer is Korean."""
    return character_rouge_l(given, right) if _HANGUL.search(right) else word_rouge_l(given, right)


def longbench_rouge_l(given: str, right: str) -> float:
    """LongBench's rouge_score: the F of summary-level ROUGE-L in the package `rouge` 1.0.1.

    Sentences end at full stops; every different word counts once; an answer without any text scores 0.
    """
    given_sentences, right_sentences = (
        [" ".join(part.split()) for part in text.split(".") if part] for text in (given, right)
    )
    if not given_sentences or not right_sentences:
        return 0.0
    common: set[str] = set()
    for sentence in right_sentences:
        for other in given_sentences:
            common.update(_longest_common(sentence.split(" "), other.split(" ")))
    n_given, n_right = (len({w for s in part for w in s.split(" ")}) for part in (given_sentences, right_sentences))
    precision, recall = len(common) / n_given, len(common) / n_right
    return 2 * precision * recall / (precision + recall + 1e-8)


def longbench_rouge_l_by_character(given: str, right: str) -> float:
    """The same with every character as a word, for Korean."""
    return longbench_rouge_l(*(" ".join(text.replace(" ", "")) for text in (given, right)))


def _longest_common(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """A longest common subsequence; if there are several, the one `rouge` takes."""
    lengths = _common_lengths(first, second)
    i, j, found = len(first), len(second), []
    while i and j:
        if first[i - 1] == second[j - 1]:
            found.append(first[i - 1])
            i, j = i - 1, j - 1
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found[::-1]


def _common_lengths(first: Sequence[str], second: Sequence[str]) -> list[list[int]]:
    """The dynamic programming table: [i][j] is the length for the first i and j words."""
    lengths = [[0] * (len(second) + 1)]
    for word in first:
        above, row = lengths[-1], [0]
        for j, other in enumerate(second):
            row.append(above[j] + 1 if word == other else max(above[j + 1], row[j]))
        lengths.append(row)
    return lengths


def rouge_words(text: str) -> list[str]:
    """Words as rouge-score splits text, without a stemmer."""
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).split()


def rouge_l(given: Sequence[str], right: Sequence[str]) -> float:
    """The F of ROUGE-L over words or characters, as rouge-score counts it."""
    n_same = _common_lengths(given, right)[-1][-1]
    return 2 * n_same / (len(given) + len(right)) if n_same else 0.0


def word_rouge_l(given: str, right: str) -> float:
    return rouge_l(rouge_words(given), rouge_words(right))


def character_rouge_l(given: str, right: str) -> float:
    return rouge_l(characters_of(given), characters_of(right))


def class_score(given: str, right: str, classes: Sequence[str]) -> float:
    """LongBench's classification_score: shared among all classes named, except those that are part of the right
    one's name."""
    named = [name for name in classes if name in given]
    for name in named:  # as published: what follows a removed one is skipped
        if name in right and name != right:
            named.remove(name)
    return 1.0 / len(named) if right in named else 0.0


def number_score(given: str, right: str) -> float:
    """LongBench's count_score: the share of all numbers in the answer that are the right one."""
    numbers = re.findall(r"\d+", given)
    return numbers.count(right) / len(numbers) if numbers else 0.0


def paragraph_score(given: str, right: str) -> float:
    """LongBench's retrieval_score: the same with "Paragraph 12" as what is right; Korean writes "문단 12"."""
    named = re.search(r"\d+", right)
    return number_score(given, named.group()) if named else 0.0


def code_score(given: str, right: str) -> float:
    """LongBench's code_sim_score: similarity of the first line that is neither a comment nor a fence, in hundredths."""
    lines = given.lstrip("\n").split("\n")
    line = next((line for line in lines if not any(mark in line for mark in ("`", "#", "//"))), "")
    if not line or not right:
        return 0.0
    return round(100 * SequenceMatcher(None, line, right).ratio()) / 100


def all_matched(given: str, right: Sequence[str]) -> float:
    """RULER's string_match_all: the share of right values that the answer contains."""
    return sum(value.lower() in given.lower() for value in right) / len(right)


def choice_of(given: str, choices: Sequence[str]) -> int | None:
    """Which of several choices an answer names, counting from 1: by its number or letter, else by its words."""
    text = given.strip()
    number = re.match(r"[(\[]?(\d+|[A-Ea-e](?![a-z])|[①②③④⑤])", text)
    if number:
        mark = number.group(1)
        place = int(mark) if mark.isdecimal() else "①②③④⑤".find(mark) + 1 or ord(mark.upper()) - ord("A") + 1
        if 1 <= place <= len(choices):
            return place
    named = [place for place, choice in enumerate(choices, 1) if _is_part(choice, text)]
    longest = max(named, key=lambda place: len(choices[place - 1]), default=None)
    # a choice whose words are part of another's does not count beside it
    rest = [p for p in named if p != longest and not (longest and _is_part(choices[p - 1], choices[longest - 1]))]
    return None if rest else longest


def _is_part(part: str, whole: str) -> bool:
    return "".join(characters_of(part)) in "".join(characters_of(whole)) and bool(characters_of(part))


_DECLINED = re.compile(
    r"not (?:in|stated|mentioned|given|said|specified|provided|contained|known|available|found)\b|unanswerable|unknown"
    r"|no (?:answer|information|mention)\b"
    r"|(?:does|do|did)(?: not|n['’]t) (?:say|mention|state|give|contain|know|tell)"
    r"|cannot (?:be|say|tell|answer|find)|can['’]t (?:say|tell|answer|find)"
    r"|(?:나와|적혀|쓰여|언급되어|나타나) ?있지 않|(?:언급되|나오)지 않"
    r"|없(?:습니다|다|어요|음)|알 수 없|모릅니다|모르겠",
    re.IGNORECASE,
)


def declines(given: str) -> bool:
    """Whether an answer says that the text does not say."""
    return bool(_DECLINED.search(given))
