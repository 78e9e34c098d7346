"""The six pieces of a template, put together again, are what the template itself writes."""

from typing import Any

import pytest

from gistdesk.core.errors import UserError
from gistdesk.core.prompt import Prompt, Turn, prompt_of
from tests.core.tiny_models import TEMPLATE, tiny_tokenizer

CHATML = (
    "{%- if messages[0]['role'] != 'system' %}{{- '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{%- endif %}"
    "{%- for message in messages %}{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
LLAMA3 = (
    "{{ '<|begin|>' }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set system = '<<SYS>>\n' + "
    "messages[0]['content'] + '\n<</SYS>>\n\n' %}{% else %}{% set rest = messages %}{% set system = '' %}{% endif %}"
    "{% for message in rest %}{% if message['role'] == 'user' %}{{ '<|begin|>[INST] ' + (system if loop.index0 == 0 "
    "else '') + message['content'] + ' [/INST]' }}{% else %}{{ ' ' + message['content'] + ' <|end|>' }}{% endif %}"
    "{% endfor %}"
)
THINKING = (  # Qwen 3: thoughts of earlier turns are left out, an empty thought stands before a plain answer
    "{%- for message in messages %}{%- if message.role == 'assistant' and loop.last %}{{- '<|im_start|>assistant\n"
    "<think>\n\n</think>\n\n' + message.content + '<|im_end|>\n' }}{%- else %}{{- '<|im_start|>' + message.role + '\n' "
    "+ message.content + '<|im_end|>\n' }}{%- endif %}{%- endfor %}{%- if add_generation_prompt %}"
    "{{- '<|im_start|>assistant\n' }}{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"
)
TEMPLATES = {"own": TEMPLATE, "chatml": CHATML, "llama3": LLAMA3}
SYSTEM = (None, "Answer from the text.")


def with_template(template: str | None) -> Any:
    tokenizer = tiny_tokenizer.__wrapped__(chat=False)  # type: ignore[attr-defined]  # past the cache: it is changed
    tokenizer.chat_template = template
    return tokenizer


def together(prompt: Prompt, document: str, turns: list[Turn]) -> str:
    return prompt.prefix + document + "".join(text for text, _ in prompt.pieces(turns))


@pytest.mark.parametrize("system", SYSTEM)
@pytest.mark.parametrize("name", TEMPLATES)
def test_the_pieces_spell_what_the_template_writes(name: str, system: str | None) -> None:
    tokenizer = with_template(TEMPLATES[name])
    messages = [{"role": "system", "content": system}] if system else []
    messages += [
        {"role": "user", "content": "The text.\n\nWho?"},
        {"role": "assistant", "content": "She."},
        {"role": "user", "content": "When?"},
    ]
    turns = [Turn("Who?", "She."), Turn("When?")]
    asked = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert together(prompt_of(tokenizer, system), "The text.", turns) == asked
    first = tokenizer.apply_chat_template(messages[:-2], tokenize=False, add_generation_prompt=True)
    assert together(prompt_of(tokenizer, system), "The text.", [Turn("Who?")]) == first


def test_the_pieces_of_a_thinking_model_have_it_answer_at_once() -> None:
    prompt = prompt_of(with_template(THINKING))
    spelled = together(prompt, "The text.", [Turn("Who?", "She."), Turn("When?")])
    assert spelled.endswith("<|im_start|>user\nWhen?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert prompt.after_answer == "<|im_end|>\n"


@pytest.mark.parametrize("system", SYSTEM)
def test_without_a_template_there_are_plain_lines(system: str | None) -> None:
    spelled = together(prompt_of(with_template(None), system), "The text.", [Turn("Who?", " She."), Turn("When?")])
    asked = "The text.\n\nQuestion: Who?\nAnswer: She.\n\nQuestion: When?\nAnswer:"
    assert spelled == "<|begin|>" + (f"{system}\n\n" if system else "") + asked


@pytest.mark.parametrize(
    ("template", "closing"),
    [(TEMPLATE, "<|end|>"), (CHATML, "<|im_end|>\n"), (LLAMA3, "<|eot_id|>"), (LLAMA2, "<|end|>"), (None, "<|end|>")],
)
def test_an_answer_ends_with_the_templates_own_token(template: str | None, closing: str) -> None:
    """The first token of it ends an answer, so it must not be the space that Llama 2 writes before its end token."""
    assert prompt_of(with_template(template)).after_answer == closing


def test_only_the_templates_words_have_the_role_of_the_template() -> None:
    pieces = prompt_of(with_template(TEMPLATE)).pieces([Turn("Who?", "She."), Turn("When?")])
    assert [text for text, role in pieces if role == "question"] == ["Who?", "When?"]
    assert [text for text, role in pieces if role == "answer"] == ["She."]


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m['role'] }}{% endfor %}",  # writes no content
        "{% for m in messages %}{{ m['content'] + m['content'] }}{% endfor %}",  # writes it twice
        "{% for m in messages | reverse %}{{ m['content'] }}{% endfor %}",
        "{{ messages[-1]['content'] }}",
        "{{ raise_exception('only one turn') }}",
        "{% for m in messages %}",
        "{{ ''.__class__.__mro__ }}",
    ],
)
def test_a_template_that_does_not_keep_the_pieces_is_refused(template: str) -> None:
    with pytest.raises(UserError) as caught:
        prompt_of(with_template(template))
    assert caught.value.message.startswith("The model's chat template cannot be used")
    assert caught.value.hint.endswith(".")
