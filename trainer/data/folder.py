"""Any folder of the user's documents as training data: a passage is compressed, then repeated, continued or quoted.

Reconstruction (ICAE) teaches a gist to keep the wording, continuation to keep what a reader needs to go on, quotation
to find a place in it.
Reads the formats that the program compresses. Knows nothing of losses.
"""

import math
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
from trainer.data.source import Stage, is_held_out, is_korean, served_length
from trainer.data.units import Unit, unit_cut

_BLOCK_CHARACTERS = 20_000
_N_HELD_OUT = 6
_CUE_TOKENS = 12
_QUOTATIONS = 4
_ENDINGS = (".txt", ".text", ".md", ".markdown", ".html", ".htm", ".xhtml", ".pdf", ".docx", ".epub")
_PLACE = ('Repeat what the text says from "{words}" on.', '글에서 "{words}" 뒤를 그대로 다시 써 주세요.')
"""For a text that is too long to be repeated whole."""
_ASK = {
    "reconstruction": ("Repeat the text word for word.", "글을 그대로 다시 써 주세요."),
    "continuation": ("Continue the text.", "글을 이어서 써 주세요."),
    "quotation": ('What comes after "{words}"?', '"{words}" 다음에 무엇이 나오나요?'),
}


def read_blocks(folder: Path) -> list[str]:
    """The texts in a folder and its subfolders, in blocks of some pages; other files are skipped.

    Raises:
        UserError: there is no readable document, or one of them is damaged.
    """
    if not folder.is_dir():
        raise UserError("There is no folder {folder}.", "Give a folder of documents.", folder=folder)
    blocks = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _ENDINGS and path.is_file():
            blocks += list(blocks_of(read_document(path).text))
    if not blocks:
        raise UserError(
            "There are no documents in {path}.",
            "Files that can be read: {endings}.",
            path=folder,
            endings=", ".join(_ENDINGS),
        )
    return blocks


def blocks_of(text: str) -> Iterator[str]:
    """Split a text into blocks that end at a line or a word, so that their tokens are those of the text."""
    start = 0
    while start < len(text):
        stop = start + _BLOCK_CHARACTERS
        if stop < len(text):
            stop = max(text.rfind("\n", start, stop), text.rfind(" ", start, stop), start + _BLOCK_CHARACTERS // 2)
        if text[start:stop].strip():
            yield text[start:stop]
        start = stop


class Folder:
    """The parts "reconstruction", "continuation" and "quotation"."""

    def __init__(
        self,
        model: GistModel,
        part: str,
        blocks: list[str],
        *,
        target_tokens: int,
        document_tokens: int,
        held_out_share: float,
        lowest_ratio: float = 1.0,
        served_segments: int = 0,
        reserved: list[str] | None = None,
    ) -> None:
        """Make ready.

        Args:
            served_segments: passages are 1 to this many full segments long instead, from several blocks.
            document_tokens: longest passage that is compressed before it is continued or quoted.
            held_out_share: of the blocks.
            lowest_ratio: what has to be kept word for word is compressed less, towards this ratio.
            reserved: texts to measure with, in place of a share of the blocks.
        """
        self._model, self._part, self._lowest_ratio = model, part, lowest_ratio
        self._target_tokens, self._document_tokens = target_tokens, document_tokens
        self._served_segments = served_segments
        share = 0.0 if reserved is not None else held_out_share
        self.training = [b for b in blocks if not is_held_out(b, share)]
        self.reserved = [b for b in blocks if is_held_out(b, share)] if reserved is None else reserved
        self._tokens: dict[str, Tensor] = {}
        if not self.training:
            raise UserError("All documents are held out.", "Lower held_out_share or add documents.")

    def unit(self, random: Random, stage: Stage) -> Unit:
        ratio = stage.ratio
        if self._part != "continuation":
            ratio = math.sqrt(ratio * min(ratio, self._lowest_ratio))
        number = random.randrange(len(self.training))
        if not self._served_segments:
            return self._unit(random, self.training[number], ratio)
        assert self._model.adapter is not None
        n_text = served_length(random, self._model.adapter.segment_tokens, self._served_segments)
        return self._long(random, self.training[number], self._following(number, n_text + self._target_tokens), ratio)

    def held_out(self) -> list[Unit]:
        chosen = self.reserved[:_N_HELD_OUT]
        ratios = [self._lowest_ratio * times for times in (1, 2, 4)]
        return [self._unit(Random(f"held out:{i}"), b, ratios[i % len(ratios)]) for i, b in enumerate(chosen)]

    def _unit(self, random: Random, block: str, ratio: float) -> Unit:
        ids = self._ids(block)
        n_target = max(1, min(random.randint(self._target_tokens // 4, self._target_tokens), len(ids) // 2))
        if self._part == "quotation":
            return self._quotation(random, block, ids, ratio)
        n_text = n_target if self._part == "reconstruction" else random.randint(n_target, self._document_tokens)
        n_text = max(1, min(n_text, len(ids) - (n_target if self._part == "continuation" else 0)))
        n_whole = n_text + (n_target if self._part == "continuation" else 0)
        start = random.randint(0, len(ids) - n_whole)
        text = ids[start : start + n_text]
        # a syllable may be cut at either end; the rest of it is no text
        wanted = text if self._part == "reconstruction" else ids[start + n_text : start + n_whole]
        turns = (Turn(_ASK[self._part][is_korean(block)], self._text(wanted)),)
        return unit_cut(self._model, self._part, text, [turns], ratio=ratio)

    def _quotation(self, random: Random, block: str, ids: Tensor, ratio: float) -> Unit:
        """Quote some words of a passage and ask for what comes after them, several times."""
        n_text = min(len(ids), random.randint(4 * _CUE_TOKENS, max(4 * _CUE_TOKENS, self._document_tokens)))
        start = random.randint(0, len(ids) - n_text)
        text = ids[start : start + n_text]
        n_quoted = max(1, min(self._target_tokens // 4, n_text - _CUE_TOKENS))
        n = max(1, min(_QUOTATIONS, n_text // (3 * n_quoted)))
        turns = self._places(random, text, _ASK["quotation"][is_korean(block)], n_quoted, n)
        return unit_cut(self._model, self._part, text, [turns], ratio=ratio)

    def _long(self, random: Random, block: str, ids: Tensor, ratio: float) -> Unit:
        """A passage of full segments and what comes after it; only one place in it is repeated, not all."""
        n_target = max(1, min(random.randint(self._target_tokens // 4, self._target_tokens), len(ids) // 2))
        text, after = ids[: len(ids) - self._target_tokens], ids[len(ids) - self._target_tokens :]
        korean = is_korean(block)
        if self._part == "continuation":
            turns: tuple[Turn, ...] = (Turn(_ASK[self._part][korean], self._text(after[:n_target])),)
        elif self._part == "reconstruction":
            turns = self._places(random, text, _PLACE[korean], n_target, 1)
        else:
            turns = self._places(random, text, _ASK[self._part][korean], max(1, self._target_tokens // 4), _QUOTATIONS)
        return unit_cut(self._model, self._part, text, [turns], ratio=ratio)

    def _places(self, random: Random, text: Tensor, ask: str, n_quoted: int, n: int) -> tuple[Turn, ...]:
        turns = []
        for _ in range(n):
            cue = random.randint(0, max(0, len(text) - _CUE_TOKENS - n_quoted))
            words = self._text(text[cue : cue + _CUE_TOKENS])
            quoted = self._text(text[cue + _CUE_TOKENS : cue + _CUE_TOKENS + n_quoted])
            turns.append(Turn(ask.format(words=words), quoted))
        return tuple(turns)

    def _following(self, number: int, n_tokens: int) -> Tensor:
        """`n_tokens` tokens from a block on, or as many as there are; the first block follows the last."""
        found: list[Tensor] = []
        for block in [*self.training[number:], *self.training[:number]]:
            found.append(self._ids(block))
            if sum(map(len, found)) >= n_tokens:
                break
        return torch.cat(found)[:n_tokens]

    def _ids(self, block: str) -> Tensor:
        if block not in self._tokens:
            self._tokens[block] = torch.tensor(self._model.token_ids(block))
        return self._tokens[block]

    def _text(self, ids: Tensor) -> str:
        return str(self._model.tokenizer.decode(ids)).strip(" �") or "."


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
    )
    for i in range(n):
        unit = source.unit(Random(f"{seed}:{i}"), Stage(0, 1, 1))
        [turn] = unit.turns[0]
        yield line_of(model.tokenizer.decode(unit.text(0)), turn.question, [str(turn.answer)])
