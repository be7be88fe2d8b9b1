"""The 256 bytes, and the visible character that stands for each in a vocabulary file.

GPT-2 writes tokens, which are bytes, as text: a byte that prints is its own Latin-1 character; the other 68, among
them the space, borrow the characters from U+0100 on (a space is Ġ, a newline Ċ). In this order the bytes are also the
first 256 tokens. (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", `bytes_to_unicode`.)
"""

from __future__ import annotations

_PRINTED = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
_NOT_PRINTED = [byte for byte in range(256) if byte not in _PRINTED]

BYTES = [bytes([byte]) for byte in _PRINTED + _NOT_PRINTED]
"""Token id → byte, for the first 256 tokens of every vocabulary."""

BYTE_IDS = {byte: token_id for token_id, (byte,) in enumerate(BYTES)}
"""Byte → token id."""

_CHARACTERS = {byte: chr(byte) for byte in _PRINTED} | {byte: chr(256 + i) for i, byte in enumerate(_NOT_PRINTED)}
_BYTE_OF = {character: byte for byte, character in _CHARACTERS.items()}


def to_characters(token: bytes) -> str:
    """A token as vocabulary files write it: ``b" the"`` is ``"Ġthe"``."""
    return "".join(_CHARACTERS[byte] for byte in token)


def to_bytes(characters: str) -> bytes:
    """The token that a vocabulary file means; KeyError names a character that stands for no byte."""
    return bytes([_BYTE_OF[character] for character in characters])
