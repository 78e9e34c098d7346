"""What a question asks for: a fact that a text may state, a summary (of what, and how long), or something else.

By its words, in English, German and Korean. In doubt a question asks for a fact: what is looked up for one is told in
the text's own words. Knows nothing of models or texts, and loads nothing: the window may use it, too.
"""

import re

from gistdesk.core.lexical import NUMBER_OF_WORD

_A_TEXT = (
    r"(?:(?:this|these) \w+|(?:the|my|our) (?:documents?|texts?|book|story|tale|report|contract|letter|notice|article"
    r"|paper|chapter|minutes|policy|manual|agreement|file|e-?mail|memo|page|section))"
)
_CLOSING = r"(?:,? (?:in (?:short|brief|general|a nutshell|(?:\w+ ){1,3}\w+)|briefly|please)){0,3}\s*[?.!]*$"
"""What may follow a request: "in three short sentences, please"."""
_IS, _DOES = r"(?: is|'s|’s| are)", r"(?: do| does)"
_A_SUMMARY = re.compile(
    "|".join(
        (
            r"\b(?:summar(?:y|ies|i[sz](?:e|ing|ation))|tl;?dr|recap|in a nutshell|highlights)",
            r"\bsum (?:(?:it|this|that|(?:the|my) \w+) )?up\b",
            r"\b(?:give|write|make|need|want) (?:\w+ ){0,3}(?:overview|outline)\b|\boutline (?:the|this|it)\b",
            r"\b(?:an|short|brief|quick) (?:overview|outline) (?:of|about|on)\b|\bgive me the gist\b",
            r"\b(?:main|key|most important|central) (?:points?|ideas?|takeaways?|findings?|messages?|facts)\b"
            r"(?! of \w+\W*$)",
            rf"\bwhat{_IS} (?:it|this|that) about\b|\bwhat{_IS} (?:{_A_TEXT} about|in {_A_TEXT}){_CLOSING}",
            r"\bwhat is (?:this|the) (?:document|text|book|story|report|contract)\s*[?.]?$",
            rf"\bwhat{_DOES} {_A_TEXT} (?:say|cover|deal with){_CLOSING}",
            rf"\b(?:describe|tell me (?:more )?about|what happens in) {_A_TEXT}{_CLOSING}",
            r"\bzusammenfass|\bfass\w* .*\bzusammen\b|\bworum geht\b|\bwovon handelt\b|\beinen überblick\b",
            r"\bwichtigsten punkte\b|\bwas steht in (?:diesem|dem) (?:dokument|text|bericht|brief|vertrag)\s*[?.]?$",
            r"(?<!주)요약|정리해(?!고)|간추|줄거리|무슨 내용|어떤 내용(?:인|이)|핵심이|주요 내용",
        )
    ),
    re.IGNORECASE,
)
_OF_ONE_THING = re.compile(
    r"^(?:(?:and|but|so),? )?(?:who|whose|when|where|which|how (?:many|much|long|often)|wer|wann|wo|wie viele?)\b"
    r"|누가|언제|어디",
    re.IGNORECASE,
)
"""Begins a question for a fact, about a summary too: "Who wrote the summary?"."""
_THOUGHT = re.compile(
    r"\b(?:translate|translation|explain|compare|analy[sz]e|analysis|discuss|rewrite|paraphrase)"
    rf"|\bwhat{_DOES} {_A_TEXT} mean\s*[?.]?$|\b(?:übersetz|erklär)(?:en?)?\b",
    re.IGNORECASE,
)
_KOREAN_THOUGHT = re.compile(r"번역|설명해|비교해|분석")
_A_TEXT_OF_ITS_OWN = re.compile(
    r"\bwrite (?:(?:me|us) )?(?:an?|the|me|us) (?!(?:\w+ )?(?:summary|overview|outline))"
    r"|(?<!요약해서 )(?<!요약을 )써 ?주세요|작성해",
    re.IGNORECASE,
)
_TOPIC = re.compile(
    r"\b(?:(?<!based )on(?! (?:one|an?|\d+|pages?)\b)|about|regarding|concerning|über)\s+(?P<about>.+?)"
    rf"{_CLOSING}|(?P<before>\S+)에 (?:대해|대한|관해|관한)",
    re.IGNORECASE | re.DOTALL,
)
_MANY = (
    r"(?:\w+ ){0,2}(?:sentences?|lines?|points?|bullets?|ideas?|takeaways?|findings?"
    r"|sätzen?|punkten?|stichpunkten?|zeilen)"
)
_KOREAN = {"두": 2, "세": 3, "네": 4, "다섯": 5}
_SPELLED = (
    {word: int(number) for word, number in NUMBER_OF_WORD.items()}
    | {word: n for n, word in enumerate("zwei drei vier fünf sechs sieben acht neun zehn".split(), 2)}
    | _KOREAN
)
_NUMBER = re.compile(rf"(?<![\w-])(\d{{1,2}}|{'|'.join(_SPELLED)})\s+{_MANY}\b", re.IGNORECASE)
_ONE = re.compile(
    r"\b(?:in|with) (?:a|one) (?:\w+ )?(?:sentence|line)\b|\bin einem satz\b|한 (?:문장|줄)", re.IGNORECASE
)
_KOREAN_NUMBER = re.compile(rf"(\d{{1,2}}|{'|'.join(_KOREAN)})\s*(?:문장|줄|가지)")


def asks_for_a_fact(question: str) -> bool:
    """Whether a text's own statement could answer it; not if it asks for a summary, a translation or an opinion."""
    asked = question.strip()
    is_summary = _A_SUMMARY.search(asked) and not _OF_ONE_THING.search(asked)
    return not any(
        (is_summary, _THOUGHT.search(asked), _KOREAN_THOUGHT.search(asked), _A_TEXT_OF_ITS_OWN.search(asked))
    )


def asks_for_a_summary(question: str) -> bool:
    """Whether it asks what a text says in short, and not first of all for something else."""
    asked = question.strip()
    summary = _A_SUMMARY.search(asked)
    if summary is None or any(kind.search(asked) for kind in (_OF_ONE_THING, _A_TEXT_OF_ITS_OWN, _KOREAN_THOUGHT)):
        return False
    thought = _THOUGHT.search(asked)
    return thought is None or thought.start() > summary.start()  # "summarise the discussion"


def topic_of(question: str) -> str:
    """The one matter that a summary is to be about; "" if it is the whole text."""
    topic = _TOPIC.search(question.strip())
    words = (topic["about"] or topic["before"]).strip() if topic else ""
    is_text = re.fullmatch(rf"(?:{_A_TEXT}|it|this|that|them)\W*", words, re.IGNORECASE)
    return "" if is_text or re.fullmatch(_CLOSING, f" {words}", re.IGNORECASE) else words


def length_of(question: str) -> int | None:
    """How many sentences or points a summary is to have, if it says so."""
    if _ONE.search(question):
        return 1
    match = _NUMBER.search(question) or _KOREAN_NUMBER.search(question)
    if match is None:
        return None
    word = match[1].lower()
    return (_SPELLED[word] if word in _SPELLED else int(word)) or None
