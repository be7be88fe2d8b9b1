"""One-hot: a number for every character of the alphabet, 1 for the one that is there and 0 for all others.

With a = 1, b = 2 a network is told that b is twice a and lies between a and c, which means nothing. One-hot says which
character it is and no more: any two are equally far apart. The price is 27 inputs for each character instead of one.
"""

from __future__ import annotations

from everysum.plain.characters import ALPHABET, place_of
from everysum.plain.vector import Vector, numbers


def one_hot(place: int, size: int) -> Vector:
    """`size` numbers: a 1 at the place, counted from 0, and zeros."""
    if not 0 <= place < size:
        raise ValueError(f"there is no place {place} among {size}, which are counted from 0 to {size - 1}")
    return numbers(int(each == place) for each in range(size))


def as_one_hot(text: str, alphabet: str = ALPHABET) -> Vector:
    """The one-hot numbers of each character, side by side: 12 characters become 12 × 27 = 324 inputs."""
    return [number for character in text for number in one_hot(place_of(character, alphabet), len(alphabet))]
