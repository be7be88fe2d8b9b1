"""A model's chat template: messages to one text, as the model was trained to read them.

The template is a program in the model folder (Jinja), run in a process of its own with limits (template_process.py).
What users and models say is text and never a special token, whatever it says: before the template sees a message, the
first character of each special token's text in it is exchanged for a character that stands nowhere, and put back once
the special tokens that the template itself wrote have been found. Roles are a few known words and stay as they are.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from everysum.errors import InputError, ModelFolderError
from everysum.files import read_json
from everysum.tokenizers.published import Published
from everysum.tokenizers.settings import CHAT_TEMPLATE, CONFIG
from everysum.tokenizers.tokenizer import END_OF_TEXT, Tokenizer, special_parts

Message = Mapping[str, Any]
"""``{"role": "user", "content": "Good morning"}``"""

ROLES = ("system", "user", "assistant", "tool")
SECONDS = 5.0
"""How long a template may take for one chat; a thousandth of that is usual."""
LARGEST_TEMPLATE = 2**20


class ChatTemplate:
    """A template, and the special tokens that it may write."""

    def __init__(self, source: str, special_tokens: Mapping[str, int], variables: Mapping[str, str], name: str) -> None:
        """`variables` are what templates call special tokens by, such as ``bos_token``; `name` is for messages."""
        self.source, self.special_tokens, self.variables, self.name = source, special_tokens, variables, name
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()

    def render(self, messages: Sequence[Message], *, answer_follows: bool = True) -> str:
        """The text of a chat; with `answer_follows` up to where the model's next answer begins.

        Raises InputError where the template refuses the messages, ModelFolderError where it does not work.
        """
        refuse_strange(messages)
        plain = [{key: value for key, value in message.items() if value is not None} for message in messages]
        asked = {"tools": None, "documents": None, "add_generation_prompt": answer_follows}
        said = self._ask({"messages": [with_reasoning(message) for message in plain], **asked, **self.variables})
        if "refused" in said:
            raise InputError(f"the model's chat template refuses these messages: {said['refused']}")
        if "broken" in said:
            raise ModelFolderError(f"the chat template in {self.name} does not work", came=said["broken"])
        return said["text"]

    def parts(self, messages: Sequence[Message], *, answer_follows: bool = True) -> list[str | int]:
        """The same for `Tokenizer.encode_parts`: special tokens are those that the template wrote itself."""
        refuse_strange(messages)
        stand_ins = StandIns([*self.special_tokens], [self.source, *_strings(messages), *self.variables.values()])
        text = self.render([stand_ins.exchanged(message) for message in messages], answer_follows=answer_follows)
        parts = special_parts(text, self.special_tokens)
        return [stand_ins.put_back(part) if isinstance(part, str) else part for part in parts]

    def close(self) -> None:
        """End the template's process; it is started again when it is needed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            self._process = None

    def __del__(self) -> None:
        self.close()

    def _ask(self, variables: dict[str, Any]) -> dict[str, str]:
        with self._one_at_a_time:
            process = self._process or self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            timer = threading.Timer(SECONDS, process.kill)
            timer.start()
            try:
                process.stdin.write(_line(variables))
                process.stdin.flush()
                said = process.stdout.readline()
            except BrokenPipeError:
                said = b""
            except BaseException:
                self.close()  # Ctrl-C: what was asked would be answered to the next question
                raise
            finally:
                timer.cancel()
            if not said.endswith(b"\n"):
                self.close()
                return {"broken": f"it takes more than {SECONDS:g} seconds, or more memory than a chat can need"}
            answer: dict[str, str] = json.loads(said)
            return answer

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-m", "everysum.tokenizers.template_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us alone
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(_line(self.source))
        return process


def read_template(folder: Path) -> str | None:
    """The source of a model folder's template, from chat_template.jinja or tokenizer_config.json; None without one."""
    if (folder / CHAT_TEMPLATE).is_file():
        try:
            source: object = (folder / CHAT_TEMPLATE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise ModelFolderError(f"{folder / CHAT_TEMPLATE} cannot be read: {problem}") from problem
    else:
        source = read_json(folder / CONFIG).get("chat_template") if (folder / CONFIG).is_file() else None
        if isinstance(source, list):
            named = {entry.get("name"): entry.get("template") for entry in source if isinstance(entry, dict)}
            source = named.get("default")
    if source is not None and (not isinstance(source, str) or len(source) > LARGEST_TEMPLATE):
        raise ModelFolderError(
            f"the chat template in {folder} cannot be used", wanted=f"a text of at most {LARGEST_TEMPLATE:,} characters"
        )
    return source


def template_of(folder: Path, tokenizer: Tokenizer) -> ChatTemplate | None:
    """The template of a model folder, with the special tokens of its tokenizer; None where there is none."""
    source = read_template(folder)
    if source is None:
        return None
    if isinstance(tokenizer, Published):
        variables = tokenizer.settings.roles
    else:
        variables = {"bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT}
    return ChatTemplate(source, tokenizer.special_tokens, variables, str(folder))


class StandIns:
    """Characters that stand nowhere in a chat, each for one that could begin or end the text of a special token."""

    def __init__(self, special_tokens: Sequence[str], texts: Iterable[str]) -> None:
        self._special = special_tokens
        whole = "|".join(map(re.escape, special_tokens))
        self._begins = re.compile(f"(?=(?:{whole}))" if whole else "(?!)")  # looking ahead, so that they may overlap
        taken = {*"".join(texts)}
        self._free = (chr(code) for code in range(0xF0000, 0x10FFFE) if chr(code) not in taken)
        self._of: dict[str, str] = {}

    def exchanged(self, message: Message) -> dict[str, Any]:
        """A message in which no string holds a special token's text; its role, one of few, stays as it is."""
        return {key: value if key == "role" else self._in(value) for key, value in message.items()}

    def put_back(self, text: str) -> str:
        return text.translate({ord(stand_in): character for character, stand_in in self._of.items()})

    def _in(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._in_text(value)
        if isinstance(value, Mapping):
            return {key: self._in(each) for key, each in value.items()}
        return [self._in(each) for each in value] if isinstance(value, list | tuple) else value

    def _in_text(self, text: str) -> str:
        places = {match.start() for match in self._begins.finditer(text)}
        core = text.strip()  # templates strip; what is then at an edge could join what the template puts beside it
        start = text.find(core)
        for special in self._special:
            places |= {start + len(core) - k for k in range(1, len(special)) if core.endswith(special[:k])}
            places |= {start for k in range(1, len(special)) if core.startswith(special[-k:])}
        return "".join(self._stand_in(character) if at in places else character for at, character in enumerate(text))

    def _stand_in(self, character: str) -> str:
        if character not in self._of:
            self._of[character] = next(self._free)
        return self._of[character]


def refuse_strange(messages: Sequence[Message]) -> None:
    """Say which message is none."""
    if not messages:
        raise InputError("a chat needs at least one message", wanted='[{"role": "user", "content": "…"}]')
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping) or message.get("role") not in ROLES:
            came = str(message.get("role")) if isinstance(message, Mapping) else type(message).__name__
            raise InputError(f"message {number} has no role", wanted=" or ".join(ROLES), came=came[:100])
        if not isinstance(message.get("content"), str):
            raise InputError(f"message {number} has no content", wanted="a text")


def with_reasoning(message: Message) -> dict[str, Any]:
    """The message with what was thought before it under every name that templates look for it by."""
    thought = next((message[name] for name in ("reasoning_content", "thinking", "reasoning") if name in message), None)
    return {**message} if thought is None else {"thinking": thought, **message, "reasoning_content": thought}


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [string for each in inner for string in _strings(each)]


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"
