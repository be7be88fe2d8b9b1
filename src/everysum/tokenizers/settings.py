"""What stands beside a published vocabulary: which tokens are special, and what begins and ends a text.

These are the small files of a model folder. The library that reads the vocabulary knows nothing of most of them, but
transformers does, and a model was trained with what they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from everysum.errors import ModelFolderError
from everysum.files import read_json, write_atomically

CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS_MAP = "special_tokens_map.json"
ADDED_TOKENS = "added_tokens.json"
CHAT_TEMPLATE = "chat_template.jinja"
GENERATION_CONFIG = "generation_config.json"
KEPT = (CONFIG, SPECIAL_TOKENS_MAP, ADDED_TOKENS, CHAT_TEMPLATE, GENERATION_CONFIG)
"""The files that are written again, as they came, beside a vocabulary that is saved."""

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
LARGEST_ID = 2**31


@dataclass(frozen=True)
class AddedToken:
    """A token that is looked for before a text is cut; a special one only where the text is trusted."""

    content: str
    id: int | None = None
    """Where a file gives one; otherwise it comes behind all others."""
    special: bool = True
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False

    @classmethod
    def read(cls, value: object, token_id: int | None = None, *, special: bool = True) -> AddedToken:
        """From the form that files give it: the text alone, or an object with flags. ValueError for anything else."""
        if isinstance(value, str) and value:
            return cls(value, token_id, special, normalized=not special)
        if not isinstance(value, dict) or not isinstance(value.get("content"), str) or not value["content"]:
            raise ValueError(f"an added token that is no text: {str(value)[:100]}")
        is_special = bool(value.get("special", special))
        flags = {name: bool(value.get(name, False)) for name in ("single_word", "lstrip", "rstrip")}
        return cls(
            value["content"], token_id, is_special, **flags, normalized=bool(value.get("normalized", not is_special))
        )


@dataclass(frozen=True)
class Settings:
    """What the small files of a folder say, read once."""

    config: Mapping[str, Any] = field(default_factory=dict)
    """tokenizer_config.json, where there is one."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Which text each role has: ``bos_token`` begins a text, ``eos_token`` ends one."""
    added: tuple[AddedToken, ...] = ()
    """The tokens that the files add to a vocabulary, in the order in which transformers adds them."""
    ends: tuple[int, ...] = ()
    """The tokens that end what the model generates, as generation_config.json or config.json lists them."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """The files that are saved again."""

    def save(self, folder: Path) -> None:
        for name, content in self.files.items():
            write_atomically(folder / name, content)

    def flag(self, name: str, default: bool) -> bool:
        value = self.config.get(name, default)
        return value if isinstance(value, bool) else default


def read_settings(folder: Path) -> Settings:
    """The small files of this folder; ModelFolderError naming a broken one. Those that are missing say nothing."""
    files = {name: (folder / name).read_bytes() for name in KEPT if (folder / name).is_file()}
    config = _json(folder / CONFIG)
    try:
        named = config if "added_tokens_decoder" in config else {**config, **_json(folder / SPECIAL_TOKENS_MAP)}
        tokens = {role: AddedToken.read(named[role]) for role in ROLES if named.get(role)}
        special = {token.content for token in tokens.values()}
        added = [*_listed(config), *_of_added_tokens(_json(folder / ADDED_TOKENS), special)]
        added += [*tokens.values(), *_extra(named)]
        ends = _ends(folder)
    except (ValueError, TypeError, AttributeError) as problem:
        raise ModelFolderError(
            f"{folder}: the special tokens cannot be read",
            wanted=f"{CONFIG} as transformers writes it",
            came=str(problem),
        ) from problem
    roles = {role: token.content for role, token in tokens.items()}
    return Settings(config, roles, tuple(_unique(added, set(roles.values()))), ends, files)


def _json(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _listed(config: Mapping[str, Any]) -> list[AddedToken]:
    listed = config.get("added_tokens_decoder") or {}
    tokens = [AddedToken.read(value, _id(key), special=False) for key, value in listed.items()]
    return sorted(tokens, key=lambda token: token.id or 0)


def _of_added_tokens(values: Mapping[str, Any], special: set[str]) -> list[AddedToken]:
    """The file of old: text → id, without flags."""
    tokens = [AddedToken.read(text, _id(value), special=text in special) for text, value in values.items()]
    return sorted(tokens, key=lambda token: token.id or 0)


def _extra(named: Mapping[str, Any]) -> list[AddedToken]:
    extra = named.get("extra_special_tokens") or named.get("additional_special_tokens") or []
    values = extra.values() if isinstance(extra, dict) else extra
    return [AddedToken.read(value) for value in values]


def _unique(tokens: Iterable[AddedToken], special: set[str]) -> Iterable[AddedToken]:
    """Each text once, the first time it stands; one that has a role is special whatever its flags say."""
    seen: dict[str, AddedToken] = {}
    for token in tokens:
        if token.content not in seen:
            is_special = token.special or token.content in special
            seen[token.content] = AddedToken(**{**token.__dict__, "special": is_special})
    return seen.values()


def _id(value: object) -> int:
    number = int(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < LARGEST_ID:
        raise ValueError(f"a token id that cannot be: {str(value)[:100]}")
    return number


def _ends(folder: Path) -> tuple[int, ...]:
    for name in (GENERATION_CONFIG, "config.json"):
        value = _json(folder / name).get("eos_token_id")
        if value is not None:
            return tuple(_id(one) for one in (value if isinstance(value, list) else [value]))
    return ()
