"""What a command line asks `everysum train` for: which texts, into which folder, with which wishes for the recipe."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from everysum.cli.standard_input import DASH, with_spooled
from everysum.errors import UsageError

if TYPE_CHECKING:
    from everysum.training.prepare import Request
    from everysum.training.recipe import Recipe

RUNS = Path("runs")
TINY_TRANSLATOR = "tiny-translator"
"""The recipe that brings pairs of its own."""
EXAMPLE_BYTES = 1_000_000
"""The size of text for which the recipe is shown when no text is given."""


@dataclass(frozen=True)
class Order:
    """A new run as it was asked for."""

    texts: tuple[Path, ...]
    held_out: tuple[Path, ...]
    out: Path | None
    minutes: float | None
    wishes: Mapping[str, Any]
    demo: bool
    targets: tuple[Path, ...] = ()
    """Of sentence pairs, of which the texts are the sources."""
    held_out_targets: tuple[Path, ...] = ()
    base: Path | None = None

    def __post_init__(self) -> None:
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise UsageError(f"--minutes cannot be {self.minutes:g}", wanted="a number above 0, such as 5 or 0.5")
        if self.demo and self.texts:
            raise UsageError(
                "--demo and TEXT do not go together", wanted="one of them", came=f"--demo and {self.texts[0]}"
            )

    def sources(self) -> list[Path]:
        """The texts to train on: those given, those that ship with everysum, or none, so that the recipe's count."""
        if self.demo:
            from everysum.data.nursery import nursery_text_path

            return [nursery_text_path()]
        return list(self.texts)

    def folder(self) -> Path:
        """The run's folder: the one given, or runs/ and the name of the first text, with a number if that is taken."""
        from everysum.recipes import refuse_without_pairs

        refuse_without_pairs(self.wishes, bool(self.targets))
        named = self.texts or tuple(map(Path, self.wishes.get("text", {}).get("paths", ())))
        if not named and not self.demo and self.wishes.get("name") == TINY_TRANSLATOR:
            named = (Path(TINY_TRANSLATOR),)
        if not named and not self.demo:
            raise UsageError(
                "there is no text to train on",
                wanted="everysum train TEXT…: files, folders, or - for standard input",
                advice="to see how it goes, `everysum train --demo` trains on the nursery stories that ship with it",
            )
        if self.out is not None:
            return self.out
        name = "demo" if self.demo else "stdin" if named[0] == DASH else named[0].resolve().stem or "text"
        number = 1
        while (folder := RUNS / (name if number == 1 else f"{name}-{number}")).exists():
            number += 1
        return folder

    @property
    def promised_seconds(self) -> float | None:
        """The time after which the run should have ended; none was promised where the number of steps is given."""
        return None if self.minutes is None or "steps" in self.wishes.get("schedule", {}) else 60 * self.minutes

    def request(self, folder: Path) -> Request:
        """The request for this run in its folder, with standard input kept there if it is one of the texts."""
        from everysum import machine
        from everysum.recipes import shipped_pairs
        from everysum.training.prepare import Request, refuse_taken

        given = (self.sources(), self.targets, self.held_out, self.held_out_targets)
        if any(DASH in paths for paths in given):
            refuse_taken(folder)
        spooled = iter(with_spooled([path for paths in given for path in paths], folder))
        texts, targets, held_out, held_out_targets = ([next(spooled) for _ in paths] for paths in given)
        if not texts:
            refuse_taken(folder)
            if shipped := shipped_pairs(self.wishes, folder):
                texts, targets, held_out, held_out_targets = ([path] for path in shipped)
        before = machine.seconds_since_start()
        return Request(
            texts, folder, held_out, self.minutes, self.wishes, "auto", before, targets, held_out_targets, self.base
        )

    def resolved(self) -> Recipe:
        """The recipe that this run would have; nothing is left of working it out."""
        from everysum import machine
        from everysum.training import plan
        from everysum.training.base import with_base
        from everysum.training.prepare import prepare
        from everysum.training.progress import Progress

        name = self.wishes.get("name")
        if self.texts or self.demo or self.wishes.get("text", {}).get("paths") or name == TINY_TRANSLATOR:
            with tempfile.TemporaryDirectory() as folder:
                return prepare(self.request(Path(folder)), Progress()).recipe
        minutes = self.minutes or self.wishes.get("minutes") or plan.DEFAULT_MINUTES
        device = machine.choose_device(self.wishes.get("engine", {}).get("device", "auto"))
        pairs = self.wishes.get("network", {}).get("kind") == "transformer"
        situation = plan.Situation(EXAMPLE_BYTES, 60 * minutes, device, pairs)
        return plan.draft(situation, with_base({**self.wishes, "minutes": minutes}, self.base))


def held_out_pair(valid: Sequence[Path], others: Sequence[Path]) -> tuple[Path, ...]:
    """The two files of `--valid SOURCE TARGET`, whose second one arrives as an argument; none where none are given."""
    held_out = (*valid, *others)
    if held_out and (not valid or len(held_out) != 2):
        raise UsageError(
            "--pairs takes the place of TEXT, and --valid with it takes two files",
            wanted="everysum train --pairs train.de train.en --valid val.de val.en",
            came=" ".join(map(str, held_out)),
        )
    return held_out


def wishes_of(
    recipe: str, assignments: list[str], *, errors: str | None, seed: int | None, device: str | None, pairs: bool
) -> dict[str, Any]:
    """The recipe's values, with those of `--set` and of the other options instead where they are given."""
    from everysum.recipes import named_or_file
    from everysum.training.wishes import check_wishes, merged, overrides_from

    wishes = merged(named_or_file(recipe), overrides_from(assignments))
    check_wishes(wishes, pairs=pairs)
    if errors is not None:
        wishes = merged(wishes, {"text": {"errors": errors}})
    if seed is not None:
        wishes = merged(wishes, {"seed": seed})
    if device is not None:
        wishes = merged(wishes, {"engine": {"device": device}})
    if device == "auto":
        del wishes["engine"]["device"]  # to be chosen, whatever the recipe's file says
    return wishes


def folder_to_resume(texts: Sequence[Path], out: Path | None, others: Mapping[str, Any]) -> Path:
    """The folder of `--resume --out RUN` or `--resume RUN`; a run goes on as it is, so nothing else may be given."""
    changes = [option for option, value in others.items() if value]
    folders = [*texts, *([] if out is None else [out])]
    if changes or len(folders) > 1:
        raise UsageError(
            "--resume goes on with the text and the recipe of the run, which cannot be changed",
            wanted="everysum train --resume --out RUN",
            came=", ".join([*map(str, folders), *changes]),
            advice="for another run like it: everysum train TEXT --recipe RUN/recipe.json",
        )
    if not folders:
        runs = sorted(RUNS.glob("*/recipe.json"), key=lambda path: path.stat().st_mtime)
        raise UsageError(
            "--resume needs the run to go on with",
            wanted="everysum train --resume --out RUN",
            advice=f"the newest here: everysum train --resume --out {runs[-1].parent}" if runs else None,
        )
    return folders[0]


@contextmanager
def nothing_left_behind(folder: Path) -> Iterator[None]:
    """When a run is refused, take away the empty folders that were made for it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):
                path.rmdir()
        raise
