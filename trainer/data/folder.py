"""Any folder of the user's documents as training data: a passage is compressed, then repeated or continued.

Reconstruction (ICAE) teaches a gist to keep the wording, continuation to keep what a reader needs to go on.
Reads the formats that the program compresses. Knows nothing of losses.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from gistdesk.core.documents import read_document
from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from trainer.data.forms import line_of
from trainer.data.samples import Sample
from trainer.data.source import Stage, is_held_out, is_korean
from trainer.training.staged import Unit, unit_of

_BLOCK_CHARACTERS = 20_000
_N_HELD_OUT = 8
_ENDINGS = (".txt", ".text", ".md", ".markdown", ".html", ".htm", ".xhtml", ".pdf", ".docx", ".epub")
_ASK = {
    "reconstruction": ("Repeat the text word for word.", "글을 그대로 다시 써 주세요."),
    "continuation": ("Continue the text.", "글을 이어서 써 주세요."),
}


def read_blocks(folder: Path) -> list[str]:
    """The texts of a folder and the folders in it, in blocks of some pages; other files are passed over.

    Raises:
        UserError: there is no readable document, or one of them is damaged.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}.", "Give a folder of documents.")
    blocks = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _ENDINGS and path.is_file():
            blocks += list(_blocks(read_document(path).text))
    if not blocks:
        raise UserError(f"There are no documents in {folder}.", f"Readable are {', '.join(_ENDINGS)}.")
    return blocks


def _blocks(text: str) -> Iterator[str]:
    """A block ends at a line or a word, so that its tokens are those of the text."""
    start = 0
    while start < len(text):
        stop = start + _BLOCK_CHARACTERS
        if stop < len(text):
            stop = max(text.rfind("\n", start, stop), text.rfind(" ", start, stop), start + _BLOCK_CHARACTERS // 2)
        if text[start:stop].strip():
            yield text[start:stop]
        start = stop


class Folder:
    """The parts "reconstruction" and "continuation"."""

    def __init__(
        self,
        model: GistModel,
        part: str,
        blocks: list[str],
        *,
        target_tokens: int,
        document_tokens: int,
        held_out_share: float,
        n_slots: int,
    ) -> None:
        """`document_tokens`: longest passage that is compressed before it is continued."""
        self._model, self._part = model, part
        self._target_tokens, self._document_tokens, self._n_slots = target_tokens, document_tokens, n_slots
        self.training = [b for b in blocks if not is_held_out(b, held_out_share)]
        self.reserved = [b for b in blocks if is_held_out(b, held_out_share)]
        self._tokens: dict[str, Tensor] = {}
        if not self.training:
            raise UserError("All documents are held out.", "Lower held_out_share or add documents.")

    def unit(self, random: Random, stage: Stage) -> Unit:
        return self._unit(random, random.choice(self.training), stage.n_slots)

    def held_out(self) -> list[Unit]:
        chosen = self.reserved[:_N_HELD_OUT]
        return [self._unit(Random(f"held out:{i}"), block, self._n_slots) for i, block in enumerate(chosen)]

    def _unit(self, random: Random, block: str, n_slots: int) -> Unit:
        if block not in self._tokens:
            self._tokens[block] = torch.tensor(self._model.token_ids(block))
        ids = self._tokens[block]
        n_target = max(1, min(random.randint(self._target_tokens // 4, self._target_tokens), len(ids) // 2))
        n_text = n_target if self._part == "reconstruction" else random.randint(n_target, self._document_tokens)
        n_text = max(1, min(n_text, len(ids) - (n_target if self._part == "continuation" else 0)))
        n_whole = n_text + (n_target if self._part == "continuation" else 0)
        start = random.randint(0, len(ids) - n_whole)
        text = ids[start : start + n_text]
        # a syllable may be cut at either end; what is left of it is no text
        wanted = text if self._part == "reconstruction" else ids[start + n_text : start + n_whole]
        answer = self._model.tokenizer.decode(wanted).strip(" �") or "."
        ask = _ASK[self._part][is_korean(block)]
        sample = Sample(text, (Turn(ask, answer),), "")
        return unit_of(self._model, self._part, sample, n_slots=min(n_slots, max(1, n_text // 2)))


def folder_records(
    model: GistModel, folder: Path, part: str, *, n: int, target_tokens: int, seed: int
) -> Iterator[str]:
    """Samples from a folder as JSON lines of the question/answer form."""
    source = Folder(
        model,
        part,
        read_blocks(folder),
        target_tokens=target_tokens,
        document_tokens=4 * target_tokens,
        held_out_share=0.0,
        n_slots=1,
    )
    for i in range(n):
        unit = source.unit(Random(f"{seed}:{i}"), Stage(0, 1, 1))
        [turn] = unit.turns[0]
        yield line_of(model.tokenizer.decode(unit.text(0)), turn.question, [str(turn.answer)])
