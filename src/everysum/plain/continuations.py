"""Several ways to go on, as a tree: a good second choice may lead to a better whole than the first.

"humpty du…" may be nearly as likely as "humpty dm…", yet few words begin with the one. So the likeliest characters are
all tried, each for some steps, and the chances along a way are multiplied: the whole with the largest product wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from everysum.plain.number import Number

ChancesAfter = Callable[[tuple[int, ...]], Sequence[Number]]
"""The chance of each token to come after those."""


@dataclass(frozen=True)
class Branch:
    """A token, its chance after those before it, the chance of the whole way to here, and how it may go on."""

    token: int
    chance: float
    path_chance: float
    children: tuple[Branch, ...]


def tree(
    chances_after: ChancesAfter, tokens: tuple[int, ...], *, length: int, choices: int, path_chance: float = 1.0
) -> tuple[Branch, ...]:
    """After these tokens, the `choices` likeliest next ones, after each of them again, `length` tokens deep."""
    if length == 0:
        return ()
    chances = [chance.value for chance in chances_after(tokens)]
    best = sorted(range(len(chances)), key=lambda token: -chances[token])[:choices]
    branches = []
    for token in best:
        path = path_chance * chances[token]
        further = tree(chances_after, (*tokens, token), length=length - 1, choices=choices, path_chance=path)
        branches.append(Branch(token, chances[token], path, further))
    return tuple(branches)


def ways(branches: Sequence[Branch]) -> list[tuple[tuple[int, ...], float]]:
    """Every way through the tree with the chance of all of it, the likeliest first."""
    found: list[tuple[tuple[int, ...], float]] = []
    for branch in branches:
        beyond = ways(branch.children) or [((), branch.path_chance)]
        found += [((branch.token, *rest), chance) for rest, chance in beyond]
    return sorted(found, key=lambda way: -way[1])
