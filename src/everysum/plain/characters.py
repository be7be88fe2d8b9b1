"""Characters as numbers, and a sentence as a window that slides: how a network of fixed size speaks without end."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_lowercase

from everysum.plain.vector import Vector, numbers

SENTENCE = "humpty dumpty sat on a wall"
WINDOW = 12
"""How many characters the network sees: its context length. It is the size of its first layer, so it cannot grow."""

LETTERS = ascii_lowercase
"""26 outputs, one a letter, are not enough: no neuron could ever say the space after humpty."""
ALPHABET = LETTERS + " "
"""27 outputs: the letters and the space."""


def place_of(character: str, alphabet: str = ALPHABET) -> int:
    """Which output neuron stands for a character, counted from 0."""
    place = alphabet.find(character)
    if len(character) != 1 or place < 0:
        raise ValueError(f"there is no {character!r} in the alphabet {alphabet!r}: use its characters, or a larger one")
    return place


def number_of(character: str) -> int:
    """a = 1, b = 2, …, z = 26, and 27 for the space: the simplest way to put a character in, and an arbitrary one."""
    return place_of(character) + 1


def as_numbers(text: str) -> Vector:
    """One input neuron for each character: "humpt" is 8 21 13 16 20."""
    return numbers(number_of(character) for character in text)


def slid(window: str, character: str) -> str:
    """The window one character on: the oldest leaves, so the size stays."""
    return window[1:] + character


def windows(text: str, length: int = WINDOW) -> list[tuple[str, str]]:
    """What there is to learn in a text: each window with the character that comes after it."""
    return [(text[start : start + length], text[start + length]) for start in range(len(text) - length)]


def said(next_character: Callable[[str], str], beginning: str, count: int) -> str:
    """A beginning, continued by `count` characters: each is asked for, appended, and seen with the next question."""
    text = window = beginning
    for _ in range(count):
        character = next_character(window)
        text, window = text + character, slid(window, character)
    return text
