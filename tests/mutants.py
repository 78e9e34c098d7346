"""Wrong changes, each with the tests that must notice it: one at a time, in a copy of the packages.

    python -m tests.mutants            # all of them, some minutes
    python -m tests.mutants distill    # those whose name holds the word

A change is a piece of text that stands once in its file, and what is put in its place. Prints a line per change and the
survivors at the end; exits with 1 where there are any. tests/test_mutants.py holds the list together with the code.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch  # noqa: F401  (for the forks)
import transformers  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
_COPIED = ("gistdesk", "trainer", "tests", "pyproject.toml")
_FAILED = 1
"""pytest's exit status where tests ran and failed; anything else but 0 is a change that broke more than it should."""

_IMPORTED = "ignore::pytest.PytestAssertRewriteWarning"
"""A plugin of pytest's that transformers has imported: its own assertions are of no interest here."""


@dataclass(frozen=True)
class Mutant:
    """One wrong change.

    Attributes:
        name: what is wrong, in a few words.
        file: of the program.
        old: what stands there, once.
        new: what is put in its place.
        tests: file of tests that must fail.
        only: expression of pytest's -k; empty runs the whole file.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str
    only: str = ""


_CORE = (
    Mutant(
        "only what one query needs is kept",
        "gistdesk/core/matching.py",
        "return torch.maximum(_places(largest) / (1 - share), _places(depended) / share)",
        "return _places(largest)",
        "tests/core/test_matching.py",
        "order",
    ),
    Mutant(
        "a text is not gone on with",
        "gistdesk/core/matched.py",
        "for each in (*frame.questions, *said):",
        "for each in frame.questions:",
        "tests/core/test_matched.py",
        "scored",
    ),
    Mutant(
        "the sense is of the keys of the prefix",
        "gistdesk/core/sensitivity.py",
        "gradient[..., first:]",
        "gradient[..., : n_before - first]",
        "tests/core/test_sensitivity.py",
    ),
    Mutant(
        "what queries depend on cancels out",
        "gistdesk/core/sensitivity.py",
        ".square().sum(dim=1)",
        ".sum(dim=1).square()",
        "tests/core/test_sensitivity.py",
    ),
    Mutant(
        "only what the repetition needs is kept",
        "gistdesk/core/matched.py",
        "kept = keep(better_place(largest, depended, share), n_slots)",
        "kept = keep(largest, n_slots)",
        "tests/core/test_matched.py",
        "its_sense",
    ),
    Mutant(
        "half of a gist is always sense",
        "gistdesk/core/matched.py",
        "share = min(_MOST_SENSE, len(ids) / _SENSE_TOKENS / n_slots)",
        "share = _MOST_SENSE",
        "tests/core/test_matched.py",
        "its_sense",
    ),
    Mutant(
        "the shares of the two orders are swapped",
        "gistdesk/core/matching.py",
        "return torch.maximum(_places(largest) / (1 - share), _places(depended) / share)",
        "return torch.maximum(_places(largest) / share, _places(depended) / (1 - share))",
        "tests/core/test_matching.py",
        "share",
    ),
    Mutant(
        "what is said side by side sees the others",
        "gistdesk/core/self_study.py",
        "mask = ((seen == -1) | (seen == rows[:, None])).tril",
        "mask = ((seen == -1) | (seen == seen)).tril",
        "tests/core/test_self_study.py",
        "continuations_follow",
    ),
    Mutant(
        "gist tokens are not nested",
        "gistdesk/core/layout.py",
        "torch.cat([bos, text, gist[:k]])",
        "torch.cat([bos, text, gist[len(gist) - k :]])",
        "tests/core/test_layout.py",
        "rows_are",
    ),
    Mutant(
        "a cut goes back to any sentence end",
        "gistdesk/core/layout.py",
        "start + (3 * length) // 4",
        "start + length // 4",
        "tests/core/test_layout.py",
    ),
    Mutant(
        "the last segment is a scrap",
        "gistdesk/core/layout.py",
        "length = -(-left // n_left)",
        "length = min(window, left)",
        "tests/core/test_layout.py",
        "scrap",
    ),
    Mutant(
        "keys are rotated the other way",
        "gistdesk/core/gist.py",
        "torch.cat([-second, first], dim=-1)",
        "torch.cat([second, -first], dim=-1)",
        "tests/core/test_gist.py",
    ),
    Mutant(
        "angles in 32 bits",
        "gistdesk/core/gist.py",
        "shift.to(torch.float64)[:, None] * inv_freq.to(torch.float64)[None, :]",
        "shift.to(torch.float32)[:, None] * inv_freq.to(torch.float32)[None, :]",
        "tests/core/test_gist.py",
        "far_out",
    ),
    Mutant(
        "a third gist stands where the second does",
        "gistdesk/core/gist.py",
        "        offset += kv.shape[3]\n    return torch.cat(placed, dim=3)",
        "        offset = kv.shape[3]\n    return torch.cat(placed, dim=3)",
        "tests/core/test_gist.py",
        "joined",
    ),
    Mutant(
        "a gist is not moved behind the prefix",
        "gistdesk/core/context.py",
        "place(gist.to(device, model.dtype), n_prefix, model.inv_freq)",
        "place(gist.to(device, model.dtype), 0, model.inv_freq)",
        "tests/core/test_context.py",
        "behind_the_prefix",
    ),
    Mutant(
        "one padded slot is seen",
        "gistdesk/core/context.py",
        "torch.arange(n_prefix + width, device=device)[None, :] < position",
        "torch.arange(n_prefix + width, device=device)[None, :] <= position",
        "tests/core/test_context.py",
    ),
    Mutant(
        "the question stands at the gist's first position",
        "gistdesk/core/context.py",
        "torch.tensor(n_slots, device=device)[:, None] + n_prefix",
        "torch.tensor(n_slots, device=device)[:, None] * 0 + n_prefix",
        "tests/core/test_context.py",
    ),
    Mutant(
        "slots keep the positions of encoding",
        "gistdesk/core/model.py",
        "slot_positions.to(self.device) - column",
        "slot_positions.to(self.device) * 0",
        "tests/core/test_model.py",
        "masked_single_pass",
    ),
    Mutant(
        "a user's text may spell special tokens",
        "gistdesk/core/model.py",
        "return plain_ids(self.tokenizer, text)",
        'return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])',
        "tests/core/test_model.py",
        "stays_text",
    ),
    Mutant(
        "a partial file of another document is gone on from",
        "gistdesk/core/compress.py",
        "        and found.source_sha256 == record.source_sha256\n",
        "",
        "tests/core/test_compress.py",
        "partial",
    ),
    Mutant(
        "an adapter's scaling is ignored",
        "gistdesk/core/adapter.py",
        "(base + adapter.scaling * product)",
        "(base + product)",
        "tests/core/test_adapter.py",
        "merged",
    ),
    Mutant(
        "an adapter of any base is taken",
        "gistdesk/core/adapter.py",
        "    if wanted != base_fingerprint:",
        "    if not wanted:",
        "tests/core/test_adapter.py",
        "another_base",
    ),
    Mutant(
        "large files do not count in a fingerprint",
        "gistdesk/core/fingerprint.py",
        "digest.update(file_sha256(path).encode())",
        'digest.update(b"")',
        "tests/core/test_fingerprint.py",
    ),
    Mutant(
        "gists of four bits are read in sixteen",
        "gistdesk/core/fingerprint.py",
        'return f"{fingerprint}-{precision}" if precision in QUANTIZED else fingerprint',
        "return fingerprint",
        "tests/core/test_precision.py",
    ),
    Mutant(
        "a gist's checksum is not looked at",
        "gistdesk/core/gist_file.py",
        'intact = header.pop("sha256") == _digest(header, [numbers])',
        'intact = header.pop("sha256") != _digest(header, [])',
        "tests/core/test_gist_file.py",
        "flipped or checksum",
    ),
    Mutant(
        "an answer may spell a turn",
        "gistdesk/core/prompt.py",
        'parts.append((self.answer_start + turn.answer, "answer"))',
        'parts.append((self.answer_start + turn.answer, "template"))',
        "tests/core/test_prompt.py",
    ),
    Mutant(
        "below the trained ratios nothing is said",
        "gistdesk/core/plan.py",
        "ratios[0] <= ratio <= ratios[1]",
        "ratio <= ratios[1]",
        "tests/core/test_plan.py",
        "training_never_met",
    ),
    Mutant(
        "a short text has a single slot",
        "gistdesk/core/plan.py",
        '!= "adapter" else LEAST_SLOTS',
        '!= "adapter" else 1.0',
        "tests/core/test_plan.py",
        "short_document",
    ),
    Mutant(
        "a ratio is recommended that training never met",
        "gistdesk/core/methods.py",
        "return ratio if trained is None else min(max(ratio, trained[0]), trained[1])",
        "return ratio",
        "tests/core/test_compress.py",
        "nobody",
    ),
    Mutant(
        "a gist that tells its text does not settle",
        "gistdesk/core/refined.py",
        "if share == 1 and not n_telling <= number < n_telling + _n_settling(gist.segments):",
        "if share == 1:",
        "tests/core/test_refined.py",
        "settles",
    ),
    Mutant(
        "settling begins at the last rate",
        "gistdesk/core/refined.py",
        "begun, n_rounds = (0, n_telling) if number < n_telling else (n_telling, n_settling)",
        "begun, n_rounds = 0, n_telling + n_settling",
        "tests/core/test_refined.py",
        "rate_falls",
    ),
    Mutant(
        "what a reader says is not taught",
        "gistdesk/core/refined.py",
        "stream += heard * _TIMES",
        "stream += heard * 0",
        "tests/core/test_refined.py",
        "settles_to_a_reading",
    ),
    Mutant(
        "what follows no id is a lesson",
        "gistdesk/core/self_study.py",
        "min(len(hidden), len(ids) - 2)",
        "min(len(hidden), len(ids) - 1)",
        "tests/core/test_self_study.py",
        "goes_on",
    ),
    Mutant(
        "what is said again is a loop",
        "gistdesk/core/answer.py",
        "_LOOP_TOKENS, _LOOP_ROUNDS = 128, 3",
        "_LOOP_TOKENS, _LOOP_ROUNDS = 24, 3",
        "tests/core/test_answer.py",
        "said_again",
    ),
    Mutant(
        "a recited text may not say the same over and over",
        "gistdesk/core/recitation.py",
        ", may_loop=True",
        "",
        "tests/core/test_recitation.py",
        "by_heart",
    ),
    Mutant(
        "a sentence that two passages share is said twice",
        "gistdesk/core/summary.py",
        ">= (whole[-1].page, whole[-1].end)",
        "> (whole[-1].page, whole[-1].start)",
        "tests/core/test_summary.py",
        "two_passages_share",
    ),
    Mutant(
        "a model that can write is given sentences from all over the text",
        "gistdesk/core/summary.py",
        "if not summarises_by_quoting(model, question, prompt):",
        "if not summarises_by_quoting(model, question, prompt) and not topic_of(question):",
        "tests/core/test_summary.py",
        "larger_model",
    ),
    Mutant(
        "tokens side by side stand one after another",
        "gistdesk/core/self_study.py",
        "start.position + steps.to(model.device)",
        "start.position + torch.arange(len(steps), device=model.device)",
        "tests/core/test_self_study.py",
        "hidden_states",
    ),
    Mutant(
        "one sees what the others say",
        "gistdesk/core/self_study.py",
        "(seen == -1) | (seen == rows[:, None])",
        "(seen >= -1) | (seen == rows[:, None])",
        "tests/core/test_self_study.py",
        "hidden_states",
    ),
    Mutant(
        "every stretch is always asked the same",
        "gistdesk/core/self_study.py",
        "number // len(stretches), (number - 1)",
        "number, (number - 1)",
        "tests/core/test_self_study.py",
        "stretches",
    ),
)

_TRAINER = (
    Mutant(
        "the divergence is reversed",
        "trainer/training/run.py",
        "kl_div(student, teacher,",
        "kl_div(teacher, student,",
        "tests/trainer/training/test_distillation.py",
    ),
    Mutant(
        "distill_weight is ignored",
        "trainer/training/run.py",
        "self.config.distill_weight * share * divergence",
        "share * divergence",
        "tests/trainer/training/test_distillation.py",
    ),
    Mutant(
        "every part has a teacher",
        "trainer/training/config.py",
        "(not self.distill_parts or part in self.distill_parts)",
        "True",
        "tests/trainer/training/test_distillation.py",
    ),
    Mutant(
        "what the teacher leaves out has no mass",
        "trainer/training/teacher.py",
        "torch.cat([teacher.logs, teacher.rest[:, None]], dim=1)",
        "torch.cat([teacher.logs, teacher.rest[:, None] - 30], dim=1)",
        "tests/trainer/training/test_teacher.py",
        "divergence_within",
    ),
    Mutant(
        "a renamed file of another conversation is found",
        "trainer/training/teacher.py",
        "if key == path.stem:",
        "if key:",
        "tests/trainer/training/test_teacher.py",
        "damaged",
    ),
    Mutant(
        "what the teacher was asked for does not count",
        "trainer/training/teacher.py",
        "json.dumps([computed, read])",
        "json.dumps([computed, read[0][0][:20]])",
        "tests/trainer/training/test_teacher.py",
        "same_model",
    ),
    Mutant(
        "what the teacher said fills the disk",
        "trainer/training/teacher.py",
        "            self._room -= n_bytes",
        "            self._room -= 0",
        "tests/trainer/training/test_teacher.py",
        "forbidden_place or processes",
    ),
    Mutant(
        "texts that never come again are kept",
        "trainer/training/run.py",
        "if self.teacher and self.config.comes_again(unit.part):",
        "if self.teacher:",
        "tests/trainer/training/test_teacher.py",
        "samples_are_few",
    ),
    Mutant(
        "a step's loss is the sum of its units",
        "trainer/training/run.py",
        "return loss / self.config.batch",
        "return loss",
        "tests/trainer/training/test_staged.py",
        "share_of_a_step",
    ),
    Mutant(
        "questions are learned, too",
        "trainer/training/loss.py",
        '        if role == "answer":\n            wanted += [True]',
        '        if role != "template":\n            wanted += [True]',
        "tests/trainer/training/test_loss.py",
        "nothing_else",
    ),
    Mutant(
        "where an answer ends is not learned",
        "trainer/training/loss.py",
        "after_answer and piece[:1] == closing and i == 0",
        "False",
        "tests/trainer/training/test_loss.py",
        "nothing_else",
    ),
    Mutant(
        "an answer with one wrong token is right",
        "trainer/training/loss.py",
        "n_wrong == 0",
        "n_wrong <= 1",
        "tests/trainer/training/test_loss.py",
        "right_when_chat",
    ),
    Mutant(
        "gradients of segments are halved",
        "trainer/training/staged.py",
        "torch.autograd.backward(again, leaf.grad.to(again.dtype))",
        "torch.autograd.backward(again, leaf.grad.to(again.dtype) / 2)",
        "tests/trainer/training/test_staged.py",
        "staged_equals_plain",
    ),
    Mutant(
        "slots are drawn near the number aimed at",
        "trainer/training/mixture.py",
        "round(math.exp(random.uniform(0.0, math.log(config.slots))))",
        "random.randint(max(1, 3 * config.target_slots // 4), config.slots)",
        "tests/trainer/training/test_mixture.py",
        "logarithm",
    ),
    Mutant(
        "ratios are drawn evenly",
        "trainer/training/mixture.py",
        "math.exp(random.uniform(*map(math.log, config.ratios)))",
        "random.uniform(*config.ratios)",
        "tests/trainer/training/test_mixture.py",
        "logarithm",
    ),
    Mutant(
        "every step draws the same units",
        "trainer/training/mixture.py",
        'Random(f"{config.seed}:{step}:{place}")',
        'Random(f"{config.seed}:{place}")',
        "tests/trainer/training/test_mixture.py",
    ),
    Mutant(
        "what was studied is studied again",
        "trainer/data/self_study.py",
        'json.loads(there[-1])["draw"] + 1 if there else 0',
        "0",
        "tests/trainer/data/test_self_study.py",
        "killed",
    ),
    Mutant(
        "held-out records are trained on",
        "trainer/data/records.py",
        "[g for c, g in groups.items() if not is_held_out(c, held_out_share)]",
        "list(groups.values())",
        "tests/trainer/data/test_sources.py",
        "held_out_records",
    ),
    Mutant(
        "a checkpoint's digest is not looked at",
        "trainer/training/checkpoint.py",
        'if _digest(tensors) != header["sha256"]:',
        'if not header["sha256"]:',
        "tests/trainer/training/test_checkpoint.py",
    ),
    Mutant(
        "a checkpoint is named before it is on the disk",
        "gistdesk/atomic.py",
        "            os.fsync(written.fileno())\n",
        "            written.fileno()\n",
        "tests/trainer/training/test_checkpoint.py",
        "on_the_disk",
    ),
    Mutant(
        "moments in 8 bits are taken for plain values",
        "trainer/training/descent.py",
        "        if isinstance(value, Mapping):\n",
        "        if value is None:\n",
        "tests/trainer/training/test_descent.py",
        "8_bits",
    ),
    Mutant(
        "a gradient that is no number moves the weights",
        "trainer/training/descent.py",
        "            if math.isfinite(norm):\n",
        "            if norm is not None:\n",
        "tests/trainer/training/test_descent.py",
        "not_finite",
    ),
    Mutant(
        "a wrong gist may be of the same answer",
        "trainer/training/check.py",
        "if units[u].turns[d][0].answer != mine and not shares:",
        "if not shares:",
        "tests/trainer/training/test_check.py",
        "wrong_gists",
    ),
    Mutant(
        "what a wrong gist brings counts",
        "trainer/training/check.py",
        "(min(wrong, none) - gist)",
        "(none - gist)",
        "tests/trainer/training/test_check.py",
        "share_that_is_closed",
    ),
    Mutant(
        "the best is chosen by needles alone",
        "trainer/training/train.py",
        'if part in ("text", *TEXT_PARTS, "fairytaleqa"):',
        "if part in (*TEXT_PARTS,):",
        "tests/trainer/training/test_check.py",
        "ordinary_text",
    ),
    Mutant(
        "all processes take the first card",
        "trainer/training/processes.py",
        "torch.cuda.set_device(number)",
        "torch.cuda.set_device(0)",
        "tests/trainer/training/test_processes.py",
        "own_card",
    ),
    Mutant(
        "one lucky step makes samples harder",
        "trainer/data/curriculum.py",
        "if self.accuracy > self.goal:",
        "if accuracy > self.goal:",
        "tests/trainer/data/test_curriculum.py",
    ),
    Mutant(
        "slots are left out of a micro-batch",
        "trainer/training/estimate.py",
        "config.segment_tokens + config.slots + 1",
        "config.segment_tokens",
        "tests/trainer/training/test_estimate.py",
        "padding",
    ),
    Mutant(
        "norms keep 16 bits",
        "trainer/training/footprint.py",
        "return 4 * normed +",
        "return 2 * normed +",
        "tests/trainer/training/test_footprint.py",
    ),
    Mutant(
        "training adds what is never encoded",
        "trainer/data/units.py",
        "        segment_tokens=adapter.segment_tokens,\n        ratio=ratio,",
        "        segment_tokens=adapter.segment_tokens // 2,\n        ratio=ratio,",
        "tests/trainer/data/test_units.py",
        "as_compressing",
    ),
    Mutant(
        "a document of a pool may hold another one's answer",
        "trainer/data/pool.py",
        "        if self.distracting:\n",
        "        if not self.distracting:\n",
        "tests/trainer/data/test_pool.py",
        "own_segment_once",
    ),
)

_BENCHMARK = (
    Mutant(
        "passkeys in training's wordings",
        "trainer/benchmark/needles.py",
        'draw_fact(random, language, "passkey", subject=subject, held_out=True)',
        'draw_fact(random, language, "passkey", subject=subject, held_out=False)',
        "tests/trainer/benchmark/test_needles.py",
        "no_training_wording",
    ),
    Mutant(
        "the haystack is training's books",
        "trainer/benchmark/needle_tasks.py",
        "haystack_names(language, evaluation=True)",
        "haystack_names(language, evaluation=False)",
        "tests/trainer/benchmark/test_evaluate.py",
        "never_reads",
    ),
    Mutant(
        "hybrid has no gist",
        "trainer/benchmark/readings.py",
        "gists = [gist.made] if gist else []",
        "gists = [gist.made][:0] if gist else []",
        "tests/trainer/benchmark/test_evaluate.py",
        "hybrid",
    ),
    Mutant(
        "the wrong gist is the right one",
        "trainer/benchmark/readings.py",
        "self._gist(sample, sample.other(), method",
        "self._gist(sample, sample.source, method",
        "tests/trainer/benchmark/test_evaluate.py",
        "wrong_gist",
    ),
    Mutant(
        "the end of a text is its beginning",
        "trainer/benchmark/readings.py",
        "ids[len(ids) - n_kept :]",
        "ids[:n_kept]",
        "tests/trainer/benchmark/test_evaluate.py",
        "truncation",
    ),
    Mutant(
        "reading is left out of the time to the first token",
        "trainer/benchmark/evaluate.py",
        "round(reading.prefill_s + figures.ttft_s, 5)",
        "round(figures.ttft_s, 5)",
        "tests/trainer/benchmark/test_evaluate.py",
        "first_token",
    ),
    Mutant(
        "the first word of an answer is enough",
        "trainer/benchmark/metrics.py",
        "words[i : i + n] == wanted_words for",
        "words[i] == wanted_words[0] for",
        "tests/trainer/benchmark/test_texts.py",
        "bare_value",
    ),
    Mutant(
        "a number that holds the right one is right",
        "trainer/benchmark/needles.py",
        "found.group() == self.expected",
        "self.expected in found.group()",
        "tests/trainer/benchmark/test_needles.py",
    ),
    Mutant(
        "several classes are worth as much as one",
        "trainer/benchmark/metrics.py",
        "1.0 / len(named) if right in named",
        "1.0 if right in named",
        "tests/trainer/benchmark/test_metrics.py",
        "classes",
    ),
    Mutant(
        "a chain of variables stands in any order",
        "trainer/benchmark/ruler.py",
        "values=right, in_order=True)",
        "values=right)",
        "tests/trainer/benchmark/test_ruler.py",
        "chain",
    ),
    Mutant(
        "the interval is of 68%",
        "gistdesk/core/interval.py",
        "z = 1.959964",
        "z = 1.0",
        "tests/trainer/benchmark/test_evaluate.py",
        "wilson",
    ),
    Mutant(
        "passages outlive their document",
        "trainer/benchmark/readings.py",
        "self._indexes = {key: index for key, index in self._indexes.items() if key[0] == name}",
        "self._indexes = dict(self._indexes)",
        "tests/trainer/benchmark/test_evaluate.py",
        "present_document",
    ),
)

MUTANTS = (*_CORE, *_TRAINER, *_BENCHMARK)


def survives(mutant: Mutant, copy: Path) -> str:
    """Make the change in `copy`, run its tests, and take it back -> what is wrong, or nothing where they noticed."""
    path = copy / mutant.file
    before = path.read_text(encoding="utf-8")
    path.write_text(before.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        status = _tested(mutant, copy)
    finally:
        path.write_text(before, encoding="utf-8")
    return {0: "survived", _FAILED: ""}.get(status, f"pytest exit {status}")


def _tested(mutant: Mutant, copy: Path) -> int:
    """pytest's exit status, of a fork of this process: what takes time to import is imported once for all of them."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        os.chdir(copy)
        os.environ.update(PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1")
        sys.dont_write_bytecode = True
        sys.path[:] = [str(copy), *(place for place in sys.path if Path(place).resolve() not in (ROOT, Path()))]
        for name in [name for name in sys.modules if name.partition(".")[0] in _COPIED]:
            del sys.modules[name]
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        words = ["-q", "-x", "-p", "no:cacheprovider", "-W", _IMPORTED, str(copy / mutant.tests)]
        os._exit(int(pytest.main([*words, "-k", mutant.only] if mutant.only else words)))
    finally:
        os._exit(99)


def copied(folder: Path) -> Path:
    """The packages and their tests, in a folder of their own; what ships beside them is only linked to."""
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    for name in ("resources", "packaging"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def main(words: Sequence[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        for mutant in chosen:
            begun = time.perf_counter()
            wrong = survives(mutant, copy)
            survivors += [mutant] if wrong else []
            print(f"{wrong or 'killed':10} {time.perf_counter() - begun:5.1f} s  {mutant.name}", flush=True)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
