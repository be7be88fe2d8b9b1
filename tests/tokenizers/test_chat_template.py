"""Chat templates: rendered as transformers renders them, harmless whatever they are, and no message can give orders."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chat_templates
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from jinja2 import TemplateError

from everysum.errors import InputError, ModelFolderError
from everysum.tokenizers import Tokenizer, chat_template, load_tokenizer, train_tokenizer
from everysum.tokenizers.chat_template import ChatTemplate, StandIns, read_template, template_of

CHATS: dict[str, list[dict[str, Any]]] = {
    "one question": [{"role": "user", "content": "Good morning"}],
    "a system message": [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "  Why?\n"}],
    "several turns": [
        {"role": "system", "content": "Größe 日本 🥚"},
        {"role": "user", "content": "1 < 2 & 'quotes' \"double\" {{ braces }} {% raw %}"},
        {"role": "assistant", "content": "<think>\nWell…\n</think>\n\nYes."},
        {"role": "user", "content": "skip"},
        {"role": "assistant", "content": "", "thinking": "hm"},
        {"role": "user", "content": "\ttabs\r\nand lines\n\n"},
    ],
    "an answer last": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "name": None}],
    "a tool": [{"role": "user", "content": "<tool_response>x</tool_response>"}, {"role": "tool", "content": "<a>"}],
}


@pytest.fixture(scope="module")
def folder(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer with the special tokens that the templates write."""
    folder: Path = tmp_path_factory.mktemp("chat")
    document = json.loads((test_data / "tokenizers/hf_json/tiny_bpe_tokenizer.json").read_text(encoding="utf-8"))
    texts = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "[INST]", "[/INST]"]
    for text in texts:
        added = {**document["added_tokens"][0], "content": text, "id": 2000 + len(document["added_tokens"])}
        document["added_tokens"].append(added)
    (folder / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    config = {"bos_token": "<|begin_of_text|>", "eos_token": "<|im_end|>", "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def template(tokenizer: Tokenizer) -> Callable[[str], ChatTemplate]:
    made: dict[str, ChatTemplate] = {}
    variables = {"bos_token": "<|begin_of_text|>", "eos_token": "<|im_end|>"}

    def of(name: str) -> ChatTemplate:
        if name not in made:
            source = chat_templates.ALL.get(name, name)
            made[name] = ChatTemplate(source, tokenizer.special_tokens, variables, "a test")
        return made[name]

    yield of
    for one in made.values():
        one.close()


# --- as transformers renders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chat", CHATS)
@pytest.mark.parametrize("name", chat_templates.ALL)
@pytest.mark.parametrize("answer_follows", [True, False])
def test_a_chat_is_rendered_as_transformers_renders_it(
    name: str,
    chat: str,
    answer_follows: bool,
    template: Callable[[str], ChatTemplate],
    theirs: Any,
    tokenizer: Tokenizer,
) -> None:
    ask = {"chat_template": chat_templates.ALL[name], "add_generation_prompt": answer_follows}
    if name == "mistral" and chat == "a tool":
        refusal = (
            "Only user and assistant roles are supported, with the exception of an initial optional system message!"
        )
        with pytest.raises(TemplateError, match=refusal):
            theirs.apply_chat_template(CHATS[chat], tokenize=False, **ask)
        with pytest.raises(InputError, match=f"the model's chat template refuses these messages: {refusal}"):
            template(name).render(CHATS[chat], answer_follows=answer_follows)
        return
    expected = theirs.apply_chat_template(CHATS[chat], tokenize=False, **ask)
    assert template(name).render(CHATS[chat], answer_follows=answer_follows) == expected
    ids = theirs.apply_chat_template(CHATS[chat], return_dict=False, **ask)
    parts = template(name).parts(CHATS[chat], answer_follows=answer_follows)
    assert tokenizer.encode_parts(parts) == ids


@given(contents=st.lists(st.text(), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_any_messages_are_rendered_as_transformers_renders_them(
    contents: list[str], template: Callable[[str], ChatTemplate], theirs: Any
) -> None:
    chat = [{"role": ("user", "assistant")[at % 2], "content": content} for at, content in enumerate(contents)]
    for name in ("llama3_plain", "chatml"):
        ask = {"chat_template": chat_templates.ALL[name], "tokenize": False, "add_generation_prompt": True}
        assert template(name).render(chat) == theirs.apply_chat_template(chat, **ask)


def test_the_published_ids_of_llama3s_dialogs_come_out(test_data: Path) -> None:
    facts = json.loads((test_data / "vectors/chat_templates/llama3_chat_format_facts.json").read_text())
    tokenizer = load_tokenizer(test_data / "tokenizers" / "llama3")
    begin = {"bos_token": "<|begin_of_text|>"}
    template = ChatTemplate(chat_templates.LLAMA3_PLAIN, tokenizer.special_tokens, begin, "a test")
    for dialog in facts["dialog"]:
        messages = [{"role": role, "content": content} for role, content in dialog["messages"]]
        assert tokenizer.encode_parts(template.parts(messages)) == dialog["ids"]
    for message in facts["message"]:
        ids = tokenizer.encode_parts(
            template.parts([{key: message[key] for key in ("role", "content")}], answer_follows=False)
        )
        assert ids == [tokenizer.special_tokens["<|begin_of_text|>"], *message["ids"]]


# --- messages are text ------------------------------------------------------------------------------------------------

SPECIAL = ["<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|eot_id|>", "[INST]"]
ATTACKS = st.lists(
    st.sampled_from([*SPECIAL, "<|", "|>", "im_end", "<|im_", "end|>", "<", ">", "[", "x", " ", "\n"]), max_size=6
)


@given(contents=st.lists(ATTACKS.map("".join), min_size=1, max_size=4), name=st.sampled_from([*chat_templates.ALL]))
@settings(max_examples=200, deadline=None)
def test_no_message_holds_a_special_token_whatever_it_says(
    contents: list[str], name: str, template: Callable[[str], ChatTemplate], tokenizer: Tokenizer
) -> None:
    def special_in(contents: list[str]) -> list[str | int]:
        chat = [{"role": ("user", "assistant")[at % 2], "content": content} for at, content in enumerate(contents)]
        return [part for part in template(name).parts(chat) if isinstance(part, int)]

    assert special_in(contents) == special_in(["x" * len(content) for content in contents])


@given(contents=st.lists(ATTACKS.map("".join), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_what_messages_say_comes_through_to_the_letter(
    contents: list[str], template: Callable[[str], ChatTemplate], tokenizer: Tokenizer
) -> None:
    chat = [{"role": "user", "content": content} for content in contents]
    names = {token_id: text for text, token_id in tokenizer.special_tokens.items()}
    said = "".join(names[part] if isinstance(part, int) else part for part in template("chatml").parts(chat))
    assert said == template("chatml").render(chat)


def test_two_messages_side_by_side_do_not_make_a_special_token(template: Callable[[str], ChatTemplate]) -> None:
    joined = template("{% for message in messages %}{{ message.content | trim }}{% endfor %}")
    for cut in range(1, len("<|im_end|>")):
        contents = ("<|im_end|>"[:cut] + " ", " " + "<|im_end|>"[cut:])
        assert joined.parts([{"role": "user", "content": content} for content in contents]) == ["<|im_end|>"]


def test_characters_that_stand_for_others_are_ones_that_nobody_used() -> None:
    used = chr(0xF0000) + chr(0xF0001)
    stand_ins = StandIns(["<s>"], [used])
    message = stand_ins.exchanged({"role": "user", "content": f"a<s>{used}", "more": [{"deep": "<s>"}]})
    assert "<s>" not in json.dumps(message, ensure_ascii=False)
    assert message["content"] == f"a{chr(0xF0002)}s>{used}"
    assert stand_ins.put_back(message["content"]) == f"a<s>{used}"


# --- hostile templates ------------------------------------------------------------------------------------------------

QUESTION = [{"role": "user", "content": "x"}]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "SECONDS", 1.0)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 10**10 }}",
        "{{ 'a' | center(10**10) }}",
        "{{ '%9999999999d' | format(1) }}",
        "{{ [0] * 10**10 }}",
        "{{ 9 ** (9 ** 9) }}",
        "{% for a in range(9999) %}{{ 'a' * 10**4 }}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ lipsum(n=10**9) }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ namespace.__init__ }}{{ namespace(_x=1) }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{% include '/etc/passwd' %}",
        "{% if %}",
        "{{ nothing.at.all }}",
    ],
)
def test_a_hostile_template_ends_in_a_refusal(source: str, tokenizer: Tokenizer, hurried: None) -> None:
    template = ChatTemplate(source, tokenizer.special_tokens, {}, "hostile")
    began = time.monotonic()
    with pytest.raises(ModelFolderError, match="the chat template in hostile does not work"):
        print(template.render(QUESTION))
    assert time.monotonic() - began < 10
    template.close()


def test_after_a_chat_that_took_too_long_the_next_one_is_rendered(hurried: None) -> None:
    slow = "{% if messages[0].content == 'slow' %}{{ 9 ** (9 ** (messages|length + 8)) }}{% endif %}done"
    template = ChatTemplate(slow, {}, {}, "a test")
    with pytest.raises(ModelFolderError, match="takes more than 1 seconds"):
        template.render([{"role": "user", "content": "slow"}])
    assert template.render(QUESTION) == "done"
    template.close()


# --- where it stands --------------------------------------------------------------------------------------------------


def test_a_template_file_comes_before_the_configs_and_one_of_several_is_the_default(
    folder: Path, tmp_path: Path
) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / name, tmp_path / name)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    assert template_of(tmp_path, load_tokenizer(tmp_path)) is None
    several = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "several {{ bos_token }}"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": several}))
    found = template_of(tmp_path, load_tokenizer(tmp_path))
    assert found is not None
    assert found.render(QUESTION) == "several <|begin_of_text|>"
    found.close()
    (tmp_path / "chat_template.jinja").write_text("a file")
    assert read_template(tmp_path) == "a file"


def test_a_tokenizer_of_ours_lends_its_end_of_text_to_a_template(tmp_path: Path) -> None:
    train_tokenizer("characters", "é").save(tmp_path)
    (tmp_path / "chat_template.jinja").write_text(chat_templates.SIMPLE)
    tokenizer = load_tokenizer(tmp_path)
    template = template_of(tmp_path, tokenizer)
    assert template is not None
    assert template.parts(QUESTION) == ["x", tokenizer.end_of_text]
    template.close()


@pytest.mark.parametrize("content", [b"\xff", b"x" * (2**20 + 1)])
def test_a_template_that_is_no_text_or_too_long_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_bytes(content)
    with pytest.raises(ModelFolderError, match="chat"):
        read_template(tmp_path)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "at least one message"),
        (["hello"], "message 1 has no role"),
        ([*QUESTION, {"role": "root", "content": "x"}], "message 2 has no role\n  wanted: system or user or assistant"),
        ([{"role": "user"}], "message 1 has no content"),
        ([{"role": "user", "content": ["x"]}], "message 1 has no content"),
    ],
)
def test_what_is_no_message_is_refused(messages: list[Any], said: str, template: Callable[[str], ChatTemplate]) -> None:
    with pytest.raises(InputError, match=said):
        template("simple").parts(messages)
