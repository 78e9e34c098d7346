"""Report-like documents in plain English, made up: annual reports, contracts, minutes, letters and others.

A fact is one sentence among much that is not asked for, often near another value of its kind. Evaluation's reports
have other names, other wordings and two kinds of document that training never sees. Knows nothing of tokens or models.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from trainer.data.report_facts import FACTS, OTHERS, Stated
from trainer.data.report_values import DRAWS

_KINDS = {
    "A": ("Annual report of {o}", "{o}: annual report and accounts", "{o}\nReport on the year", "Year in review: {o}"),
    "C": ("Agreement", "Contract with {o}", "Supply agreement", "Framework agreement of {o}", "Lease"),
    "M": ("Minutes of the committee", "Minutes, {o}", "Record of the meeting of {o}", "Meeting notes"),
    "U": ("User manual", "Instructions for use", "Operating manual, {o}", "Handbook of the device"),
    "L": ("{o}\n\nDear Sir or Madam,", "Dear customer,", "{o}\nCustomer service\n\nDear {p},", "Dear {p},"),
    "E": ("Subject: some news\n\nHi all,", "Hello everybody,", "From: {p}\n\nDear colleagues,", "Hi {p},"),
    "P": ("Policy of {o}", "Rules for staff", "{o}: guidelines for employees", "Company policy", "House rules"),
    "T": ("Invitation to tender", "Notice of {o}"),
    "N": ("Newsletter of {o}", "News from {o}"),
}
_HELD_OUT_KINDS = "TN"
_HEADINGS = (
    "Overview,Background,General,Details,Scope,Main points,Notes,Outlook,Further information,Organisation,Figures,"
    "Responsibilities,Remarks,Practical matters,Introduction,Summary,Other business,Terms,Matters arising"
).split(",")

_WHO = {
    "A": "The board,Management,The group,Our sales team,The company,Every division,Our staff,The supervisory board,"
    "Each of the subsidiaries,The purchasing department,Our partners,The market,Investors,The logistics team",
    "C": "The supplier,The customer,Each party,Both parties,The undersigned,Neither party,The contractor,A successor,"
    "The parties,Any third party,An affiliate",
    "M": "The committee,Members,The secretary,The working group,Several members,The chair,Those present,A guest,"
    "The planning group,The volunteers,Two members,The youth section",
    "U": "The user,The device,The operator,A trained person,The cable,The control panel,The owner,Every part,"
    "The packaging,An accessory,The display,The cover",
    "L": "Our team,We,Our branch,The department,Your adviser,The manufacturer,Our colleagues,The carrier,The workshop",
    "E": "We,The team,Everybody,Our office,The organisers,Some of us,The new interns,Our guests,The project group",
    "P": "Every employee,The employer,Managers,Visitors,The department,Staff,New colleagues,Team leaders,The works council,"
    "Contractors,Each line manager",
    "T": "Bidders,The authority,The client,Interested firms",
    "N": "Our members,The club,Many neighbours,The volunteers",
}
_DID = {
    "A": "continued to work on simpler processes,remained confident in spite of rising costs,kept a close eye on prices,"
    "took further steps towards digital services,benefited from a mild winter,improved the quality of its reporting,"
    "held regular talks with customers and suppliers,expects a stable development in the coming months,"
    "responded quickly to changes in demand,renewed several long-standing contracts,trained new staff throughout the year,"
    "saw no reason to change its strategy,adapted its range to new habits,faced strong competition in all regions,"
    "paid particular attention to safety at work,reviewed the risks of the business in detail",
    "C": "shall act in good faith at all times,shall inform the other side of any change without delay,"
    "may transfer rights only with written consent,shall keep proper records of all deliveries,"
    "bears its own costs unless agreed otherwise,must insure the goods against the usual risks,"
    "is released from its duties in cases of force majeure,shall observe all laws that apply,"
    "may ask for a written statement at any time,accepts that oral side agreements do not exist,"
    "shall return all documents on request,is not entitled to withhold performance",
    "M": "discussed the matter at some length,thanked everyone for the work of the past months,asked for more details,"
    "noted the report without comment,was in favour of a simple solution,raised concerns about noise and traffic,"
    "suggested a visit to a similar place,recalled the decision of the previous meeting,agreed to wait for further offers,"
    "pointed to the good experience of other towns,had no objections,wished to see a revised plan first",
    "U": "must be kept dry and clean,should be checked for damage before use,is meant for indoor use only,"
    "must never be opened while it is running,should be stored out of the reach of children,may become hot during operation,"
    "should be wiped with a soft cloth,must not be covered,should be disposed of in line with local rules,"
    "has to be placed on a level surface,must be disconnected before cleaning,should be replaced if it is worn",
    "L": "would like to thank you for your patience,looked into the matter with care,apologise for any inconvenience,"
    "did everything to find a quick solution,value your trust very much,have forwarded your remarks,"
    "take every comment seriously,are confident that this settles the matter,hope to welcome you again soon,"
    "checked all the papers once more,would be pleased to explain the next steps",
    "E": "had a lot of fun last time,are looking forward to seeing you,will bring some snacks and drinks,"
    "need a little help with the tables,have been rather busy lately,should bring a warm jacket,found the last one useful,"
    "will share the slides afterwards,can still change the plan,were happy with the result,hope the weather stays fine",
    "P": "must treat all information with care,is expected to be polite and fair,should lead by good example,"
    "must follow the instructions of the safety staff,is free to make suggestions,must lock the screen when leaving,"
    "should avoid unnecessary journeys,must report conflicts of interest,receives training once a year,"
    "must not accept gifts from suppliers,is responsible for the equipment received,should save paper and energy",
    "T": "should study the documents carefully,may ask questions in writing,must prove their experience",
    "N": "enjoyed a fine afternoon,helped with the cakes,will remember it for a long time",
}
_WHEN = (
    ",,,,,As before,In general,In addition,At the same time,As a rule,On the whole,In this respect,Furthermore,Once again,"
    "In the course of time,For this reason,Where possible,As usual,In practice,Above all,Without doubt,Last but not least"
).split(",")
_WHY = (
    ",,,,, as far as this is possible, and this will not change soon, which was welcomed by all, as described below,"
    " in the interest of everyone, although there is more to be done, whatever the circumstances, as in earlier years,"
    " and no exception was made, since this has proved useful, so that nothing is overlooked, even if it takes more time"
).split(",")
_ASKING = (
    *("{q}",) * 8,
    "According to the text, {r}",
    "Please tell me: {q}",
    "I would like to know: {q}",
    "{q} Answer briefly.",
    "From the document: {q}",
    "Can you tell me this? {q}",
)


@dataclass(frozen=True)
class Report:
    """A document and what can be asked about it.

    Attributes:
        asked: questions with their answers, every answer verbatim in the text.
    """

    text: str
    asked: tuple[tuple[str, str], ...]


def draw_report(random: Random, *, n_characters: int, n_facts: int, held_out: bool = False, prose: str = "") -> Report:
    """One document.

    Args:
        n_characters: about how long it becomes; longer only when its facts alone are.
        n_facts: at most, all of them about different things.
        held_out: use evaluation's names, wordings and kinds.
        prose: running text whose sentences may stand among the others; may be empty.
    """
    kind = random.choice(list(_KINDS) if held_out else [k for k in _KINDS if k not in _HELD_OUT_KINDS])
    known = [f for f in FACTS if kind in f.kinds]
    names = {
        "o": DRAWS["company"](random, held_out),
        "p": DRAWS["titled"](random, held_out),
        "t": DRAWS["topic"](random, held_out),
    }
    sentences, asked = [], []
    for stated in random.sample(known, min(n_facts, len(known))):
        value = DRAWS[stated.value](random, held_out)
        named = {**names, "t": DRAWS["topic"](random, held_out), "v": value}
        # of each wording the last one is held out
        statements, questions = (
            (stated.statements[-1:], stated.questions[-1:])
            if held_out
            else (stated.statements[:-1], stated.questions[:-1])
        )
        sentence = _begun(random.choice(statements).format(**named))
        if random.random() < 0.3:
            sentence += " " + _distractor(random, stated, value, held_out)
        sentences.append(sentence)
        question = random.choice(questions).format(**named)
        frame = "{q}" if held_out else random.choice(_ASKING)
        asked.append((frame.format(q=question, r=question[0].lower() + question[1:]), value))
    filler = _filler(random, kind, held_out, _sentences(random, prose))
    n = sum(map(len, sentences))
    while n < n_characters:
        sentences.append(next(filler))
        n += len(sentences[-1]) + 1
    random.shuffle(sentences)
    random.shuffle(asked)
    title = random.choice(_KINDS[kind]).format(**names)
    return Report(title + "\n\n" + _paragraphs(random, sentences), tuple(asked))


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _distractor(random: Random, stated: Stated, value: str, held_out: bool) -> str:
    other = value
    while other == value:
        other = DRAWS[stated.value](random, held_out)
    return random.choice(OTHERS).format(v=other)


def _filler(random: Random, kind: str, held_out: bool, prose: list[str]) -> Iterator[str]:
    """Sentences that nothing is asked about; some have names and figures of their own."""
    who, did = _WHO[kind].split(","), _DID[kind].split(",")
    with_prose = bool(prose) and random.random() < 0.4
    while True:
        if with_prose and random.random() < 0.5:
            yield random.choice(prose)
            continue
        when, why = random.choice(_WHEN), random.choice(_WHY)
        subject = random.choice(who)
        if random.random() < 0.12:
            subject = DRAWS[random.choice(("titled", "company"))](random, held_out)
        elif when:
            subject = subject[0].lower() + subject[1:] if not subject.startswith("We") else "we"
        yield f"{when}{', ' if when else ''}{subject} {random.choice(did)}{why}."


def _sentences(random: Random, prose: str) -> list[str]:
    return [s.strip() + "." for s in prose.split(". ") if 30 < len(s) < 200][1:]


def _paragraphs(random: Random, sentences: list[str]) -> str:
    """Some sentences to a paragraph, some paragraphs with a heading, a number or a bullet."""
    style = random.choice(("plain", "plain", "headings", "numbered", "bullets"))
    parts: list[str] = []
    start = number = 0
    while start < len(sentences):
        n = random.randint(2, 6)
        text = " ".join(sentences[start : start + n])
        number += 1
        if style == "numbered":
            text = f"{number}. {text}"
        elif style == "headings" and random.random() < 0.6:
            text = f"{random.choice(_HEADINGS)}\n{text}"
        elif style == "bullets" and random.random() < 0.4:
            text = "\n".join(f"- {s}" for s in sentences[start : start + n])
        parts.append(text)
        start += n
    return "\n\n".join(parts)
