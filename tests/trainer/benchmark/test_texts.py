"""Questions about whole texts: stories of a file, the bundled documents, what is measured of each, and how cheaply."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gistdesk.core.answer import Context
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV
from gistdesk.core.methods import Method
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from gistdesk.folders import resource
from trainer.benchmark import readings
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.evaluate import Benchmark, Trial
from trainer.benchmark.figures import overall, recovered, scores_table
from trainer.benchmark.metrics import is_contained
from trainer.benchmark.readings import gist_of
from trainer.benchmark.tasks import f1_points, tasks_of
from trainer.benchmark.texts import documents, read_stories, some_questions

STORIES = [
    {
        "story": "the-heron",
        "sections": [
            "Once a grey heron lived by a mill. She ate nothing but frogs, and the miller called her Agnes.",
            "One winter the pond froze. The miller's boy, Tobias, cut a hole in the ice with an axe, and she lived.",
        ],
        "questions": [
            {"question": "What did the heron eat?", "answers": ["frogs", "nothing but frogs"], "sections": [0]},
            {"question": "Who cut the hole?", "answers": ["Tobias", "the miller's boy"], "sections": [1]},
            {"question": "What was she called?", "answers": ["Agnes"], "sections": [0]},
        ],
    },
    {
        "story": "the-bell",
        "sections": [
            "A village had a bell that nobody could ring.",
            "A baker's daughter climbed up and found a nest in it. When the birds had flown, it rang.",
        ],
        "questions": [
            {"question": "What was in the bell?", "answers": ["a nest"], "sections": [1]},
            {"question": "Who climbed up?", "answers": ["a baker's daughter"], "sections": [0, 1]},
        ],
    },
]


@pytest.fixture
def stories(tmp_path: Path) -> Path:
    path = tmp_path / "stories.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(json.dumps(story) for story in STORIES).encode()))
    return path


def config(path: Path | str = "", **changes: Any) -> BenchConfig:
    kinds: tuple[str, ...] = ("reading",) if path else ("documents",)
    given = {"kinds": kinds, "reading": str(path), "languages": ("en",), "ratio": 8.0, "rank_by": "words"}
    return BenchConfig(**{**given, **changes})


# --- Files


def test_stories_are_read_packed_or_not(stories: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.jsonl"
    plain.write_bytes(gzip.decompress(stories.read_bytes()))
    heron, bell = read_stories(stories)
    assert read_stories(plain) == [heron, bell]
    assert heron.text == "\n\n".join(heron.sections) and heron.questions[1].answers == ("Tobias", "the miller's boy")
    assert bell.section_text(bell.questions[1]) == bell.text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x1f\x8b broken", "cannot be read as stories"),
        (gzip.compress(b"{}" * 500, mtime=0)[:-9], "cannot be read as stories"),
        (b"\xff\xfe\xff", "cannot be read as stories"),
        (b"", "holds no stories"),
        (b"[1]", "it is not a JSON object"),
        (b"{", "it is not a JSON object"),
        (b'{"story": "a", "sections": ["b"]}', '"questions" must be'),
        (b'{"story": "a", "sections": ["b"], "questions": [1]}', '"questions" must be'),
        (
            b'{"story": "a", "sections": ["b"], "questions": [{"question": "c", "answers": ["d"], "sections": [1]}]}',
            "numbers of sections",
        ),
        (
            b'{"story": "a", "sections": ["b"], "questions": [{"question": "c", "answers": [""], "sections": [0]}]}',
            '"answers" must be',
        ),
    ],
)
def test_a_file_that_holds_no_stories_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "bad"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_stories(path)
    assert message in caught.value.message


def test_questions_are_drawn_by_the_seed_from_few_texts(stories: Path) -> None:
    texts = [replace(read_stories(stories)[0], name=str(n)) for n in range(12)]
    drawn = some_questions(texts, 20, 1)
    assert sum(len(text.questions) for text in drawn) == 20
    assert drawn == some_questions(texts, 20, 1) != some_questions(texts, 20, 2)
    assert [int(text.name) for text in drawn] == sorted(int(text.name) for text in drawn)
    assert len(some_questions(texts, 3, 1)) == 1  # a text has to be read whatever it is asked
    assert some_questions(texts, 0, 1) == texts
    assert sum(len(text.questions) for text in some_questions(texts, 500, 1)) == 36


def test_the_documents_answer_their_questions() -> None:
    texts = documents()
    assert len(texts) == 6
    asked = [(text, question) for text in texts for question in text.questions]
    assert sum(bool(question.answers) for _, question in asked) == 60
    assert len({question.question for _, question in asked}) == len(asked)
    for text, question in asked:
        assert 800 < len(text.text.split()) < 2500
        if question.answers:
            assert len(question.sections) == 1
            assert any(is_contained(text.section_text(question), right) for right in question.answers)


def test_no_training_data_is_made_of_the_documents() -> None:
    """Neither the texts nor the names in them stand in what the trainer reads or is."""
    names = {"Calder Valley", "Oderfeld", "Thornbury", "Veltra", "Fennimore", "Hartwell Institute"}
    data = Path(__file__).parents[3] / "trainer" / "data"
    code = "\n".join(path.read_text("utf-8") for path in data.rglob("*") if path.suffix in (".py", ".json", ".txt"))
    assert not [name for name in names if name in code]
    assert not re.search(r"""["'(]reading["'/)]""", code)
    assert all(name in "".join(text.text for text in documents()) for name in names)
    assert (resource("reading") / "NOTICE.md").is_file()


# --- Measuring


@pytest.mark.release
def test_every_method_answers_every_question(starter: GistModel, stories: Path) -> None:
    methods = ("gist", "full", "none", "wrong-gist", "truncate", "rag", "rag-budget", "hybrid", "section")
    asked = config(stories, methods=methods, ratio=(8.0, 16.0))
    trials = list(Benchmark(starter, asked).run())
    assert len(trials) == Benchmark(starter, asked).n_trials == 5 * (4 + 5 * 2)
    assert {t.needle_kind for t in trials} == {"reading"}
    heron = read_stories(stories)[0]
    for trial in trials:
        assert trial.answer_loss is not None and trial.answer_loss > 0
        assert trial.f1 is not None and trial.points == trial.f1
        assert None not in (trial.exact, trial.contained, trial.rouge_l)
    first = {t.method: t for t in trials if t.prompt_tail == "What did the heron eat?"}
    assert first["full"].prompt == heron.text
    assert first["section"].prompt == heron.sections[0]
    assert first["none"].prompt == ""
    rows = overall(trials)
    assert {(row["method"], row["ratio_asked"]) for row in recovered(rows)} >= {("gist", 8.0), ("gist", 16.0)}
    told = scores_table(rows)
    assert "| reading | en | gist 8x | 5 |" in told and "(method - none) / (full - none)" in told


@pytest.mark.release
def test_a_story_is_encoded_once_per_ratio_for_all_its_questions(
    starter: GistModel, stories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, float]] = []
    read: list[int] = []

    def counted(model: GistModel, token_ids: Tensor, ratio: float, method: Method | None) -> GistKV:
        made.append((len(token_ids), ratio))
        return gist_of(model, token_ids, ratio, method)

    class Counting(Context):
        def __init__(self, model: GistModel, gists: Any = (), **given: Any) -> None:
            super().__init__(model, gists, **given)
            read.append(self.n_text)

    monkeypatch.setattr(readings, "gist_of", counted)
    monkeypatch.setattr(readings, "Context", Counting)
    asked = config(stories, methods=("gist", "full", "wrong-gist", "none"), ratio=(8.0, 16.0))
    trials = list(Benchmark(starter, asked).run())
    assert len(trials) == 5 * 6
    assert len(set(made)) == 4 and len(made) == 6  # the last one's wrong gist is the first one's right one, made again
    assert sum(n > 0 for n in read) == 2  # the full text of each story


def test_answers_do_not_depend_on_what_was_asked_before(starter: GistModel, stories: Path) -> None:
    asked = config(stories, methods=("gist", "full"))
    whole = list(Benchmark(starter, asked).run())
    done = {trial.key: trial for trial in whole[:3]}
    again = list(Benchmark(starter, asked).run(done))
    assert [(t.answer, t.answer_loss) for t in again] == [(t.answer, t.answer_loss) for t in whole]


def test_the_wrong_gist_is_of_another_story(starter: GistModel, stories: Path) -> None:
    trials = {
        (t.method, t.prompt_tail): t for t in Benchmark(starter, config(stories, methods=("gist", "wrong-gist"))).run()
    }
    wrong, right = trials["wrong-gist", "Who climbed up?"], trials["gist", "Who climbed up?"]
    assert wrong.answer_loss != right.answer_loss
    heron = torch.tensor(starter.token_ids(read_stories(stories)[0].text))
    loss = Context(starter, [gist_of(starter, heron, 8.0)]).answer_loss("Who climbed up?", "a baker's daughter")
    assert wrong.answer_loss == pytest.approx(loss, abs=1e-4)


def test_the_loss_is_that_of_the_plain_model(starter: GistModel) -> None:
    """Teacher forcing over prompt, text, question and answer in one pass, by hand."""
    text, question, answer = "The harbour was quiet. The key is 40912.", "What is the key?", "It is 40912."
    context = Context(starter, text_ids=torch.tensor(starter.token_ids(text)))
    before = starter.template_ids(context.prompt.prefix) + starter.token_ids(text)
    for piece, role in context.prompt.pieces([Turn(question)]):
        before += starter.piece_ids(piece, role)
    ids = torch.tensor([before + starter.token_ids(answer)])
    with torch.no_grad():
        logits = starter.causal_lm(ids).logits[0, len(before) - 1 : -1].log_softmax(-1)
    by_hand = -logits.gather(1, ids[0, len(before) :, None]).mean()
    assert context.answer_loss(question, answer) == pytest.approx(float(by_hand), abs=1e-4)
    first = "".join(context.answer([Turn(question)]))
    context.answer_loss(question, "Something else.")
    assert "".join(context.answer([Turn(question)])) == first
    assert context.answer_loss(question, answer) == pytest.approx(float(by_hand), abs=1e-4)


def test_the_right_answer_that_is_liked_best_counts() -> None:
    assert f1_points("the miller's boy", ["Tobias", "the miller's boy"]) == 1
    assert f1_points("Tobias", ["Tobias", "the miller's boy"]) == 1
    assert f1_points("an axe", ["Tobias", "the miller's boy"]) == 0


def test_summaries_are_compared_with_the_models_own(starter: GistModel, stories: Path) -> None:
    asked = config(stories, kinds=("summary",), methods=("full", "none"))
    trials = list(Benchmark(starter, asked).run())
    assert [t.method for t in trials] == ["full", "none"] * 2
    assert [t.rouge_l for t in trials if t.method == "full"] == [1.0, 1.0]
    assert all(t.expected == trials[0].answer for t in trials[:2])
    assert trials[1].points == trials[1].rouge_l


def test_what_the_document_does_not_say_is_counted_by_itself(
    starter: GistModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.benchmark.tasks.documents", lambda: documents()[:1])
    trials = list(Benchmark(starter, config(methods=("none", "section"))).run())
    assert [t.needle_kind for t in trials] == ["documents", "documents"] * 10 + ["documents-absent"] * 2
    assert {t.method for t in trials if t.needle_kind == "documents-absent"} == {"none"}
    absent = trials[-1]
    assert absent.answer_loss is None and absent.exact is None and "not in the text" in absent.expected
    [task] = [
        task for task in tasks_of(starter, config(methods=("none",))) if task.names[0].startswith(absent.needle_kind)
    ]
    points = task.sample(0).points
    assert points("The text does not say who it is.") == 1 and points("It is Mr. Brown.") == 0
    right = [t for t in trials if t.needle_kind == "documents"]
    assert all(t.correct == (t.contained == 1.0) for t in right)


def test_a_document_is_compressed_once_for_what_it_says_and_what_it_does_not(
    starter: GistModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(model: GistModel, token_ids: Tensor, ratio: float, method: Method | None) -> GistKV:
        made.append(len(token_ids))
        return gist_of(model, token_ids[:64], ratio, method)

    texts = [replace(text, questions=(text.questions[0], text.questions[-1])) for text in documents()[:2]]
    monkeypatch.setattr("trainer.benchmark.tasks.documents", lambda: texts)
    monkeypatch.setattr(readings, "gist_of", counted)
    trials = list(Benchmark(starter, config(methods=("gist",))).run())
    assert [t.needle_kind for t in trials] == ["documents", "documents-absent"] * 2
    assert len(made) == 2


def test_recovered_is_the_share_of_what_full_text_is_worth() -> None:
    trial = Trial("gist", "en", "reading", 900, None, False, "a", "b", "q", 8.0, 1, 0.1, 1, score=0.3, answer_loss=2.5)
    rows = overall(
        [
            replace(trial, ratio_asked=8.0),
            replace(trial, method="full", score=0.5, answer_loss=2.0),
            replace(trial, method="none", score=0.1, answer_loss=4.0),
        ]
    )
    [found] = recovered(rows)
    assert found["share"] == {"accuracy": 0.5, "answer_loss": 0.75}
    assert recovered(rows[:2]) == []


# --- Refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kinds": ("reading",)}, "A file of stories is needed"),
        ({"kinds": ("passkey",), "reading": "x"}, "no kind asks about it"),
        ({"kinds": ("passkey",), "methods": ("section",)}, "know which section holds the answer"),
        ({"kinds": ("documents",), "languages": ("ko",)}, "only in English"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        BenchConfig(**changes)
    assert message in caught.value.message


def test_an_instruct_models_sentence_counts_beside_a_bare_value() -> None:
    for said in ("12,500", "According to the text, the answer is 12,500.", "It is 12500!", "About 12,500 euros"):
        assert is_contained(said, "12,500")
    assert is_contained("That was Harlow and Pike, the auditors", "Harlow and Pike")
    assert is_contained("It costs £18.", "18") and is_contained("14.5% of it", "14.5 percent")
    assert is_contained("the twenty-four hours", "twenty four")
    assert is_contained("세금은 48,203원입니다.", "48203")
    assert is_contained("의장은 박지훈 대표입니다.", "박지훈")
    for said in ("112,500", "12,501", "12", "", "125 00"):
        assert not is_contained(said, "12,500")
    assert not is_contained("번호는 148203입니다", "48203원")
    assert not is_contained("anything", "")
    # every word of it, in order
    for said in ("That was Harlow and Price", "Harlow, and then Pike", "Pike and Harlow", "Harlow and"):
        assert not is_contained(said, "Harlow and Pike")
