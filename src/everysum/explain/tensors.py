"""A named tensor of a pass, and choosing numbers in it: by place, counted from either end, or by a token's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from everysum.errors import InputError
from everysum.explain.atoms import Axes, names_of
from everysum.explain.recorded import RecordedNumber
from everysum.explain.storage import View

if TYPE_CHECKING:
    from everysum.explain.record import Record

Index = int | str | slice


class NamedTensor:
    """What a variable held, a module returned, an operation made, or a weight or an input is."""

    def __init__(
        self,
        record: Record,
        name: str,
        view: View,
        time: int,
        axes: Axes,
        *,
        what: str,
        module: str = "",
        place: str = "",
    ) -> None:
        self.record, self.name, self.view, self.time, self.axis_labels = record, name, view, time, axes
        self.what = what
        """In a few words what it is: "weight", "output of Linear", "mm"."""
        self.module = module
        """The class of the module that made it."""
        self.place = place
        """The line of the program that made it."""
        self.own_axes: tuple[str, ...] | None = None
        self.kept: tuple[int | range, ...] = tuple(map(range, view.size))
        """Where its places lie in the tensor that it is a part of."""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.view.size

    @property
    def dtype(self) -> torch.dtype:
        return self.view.dtype

    @property
    def axes(self) -> tuple[str, ...]:
        """What each axis counts."""
        return self.own_axes or names_of(self.axis_labels)

    @property
    def rerun(self) -> bool:
        """Whether it was not stored by the pass, but comes from carrying out a fused operation once more."""
        return self.record.rerun

    @property
    def tensor(self) -> Tensor:
        """Its numbers, as they were then, on the CPU."""
        flat = self.view.storage.at(self.time, self.view.dtype)
        return flat.as_strided(self.view.size, self.view.stride, self.view.offset).detach().clone().cpu()

    def tokens(self, axis: int, row: int = 0) -> list[str] | None:
        """The texts of the tokens on an axis; None where it does not count tokens."""
        (label, *more) = self.axis_labels[axis]
        if more or not label.size:
            return None
        if label.name == "vocabulary" and (text := self.record.top.token_text) is not None:
            return [text(label.start + token) for token in range(label.size)]
        rows = self.record.top.token_texts.get(label.tokens_of)
        if not rows:
            return None
        texts = rows[min(row, len(rows) - 1)]
        return texts[label.start : label.start + label.size] if len(texts) >= label.start + label.size else None

    # --- choosing ----------------------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        """A number, where every axis is given a place; otherwise the part of the tensor that is left.

        A batch of one row may be left out where a place is given on every other axis: `logits[-1, "y"]` for
        `logits[0, -1, "y"]`.
        """
        items = self.filled(list(index) if isinstance(index, tuple) else [index])
        offset, sizes, strides, labels = self.view.offset, [], [], []
        own: list[str] = []
        spots: list[int | slice] = []
        batch_row = 0
        for axis, item in enumerate(items):
            size, stride = self.view.size[axis], self.view.stride[axis]
            if isinstance(item, slice):
                start, stop, step = item.indices(size)
                if step < 1:
                    raise InputError(
                        f"{self.name}: a slice runs forwards", wanted="a step of 1 or more", came=str(step)
                    )
                count = len(range(start, stop, step))
                offset += start * stride
                sizes.append(count)
                strides.append(stride * step)
                labels.append(cut(self.axis_labels[axis], start, count, step))
                own.append(self.axes[axis])
                spots.append(slice(start, start + count * step, step))
                continue
            spot = self.spot(axis, item, batch_row)
            batch_row = spot if self.axes[axis] == "batch" else batch_row
            offset += spot * stride
            spots.append(spot)
        if not sizes:
            return self.number_at(offset, spots)
        view = View(self.view.storage, offset, tuple(sizes), tuple(strides), self.view.dtype)
        part = NamedTensor(
            self.record, self.name, view, self.time, tuple(labels), what=self.what, module=self.module, place=self.place
        )
        part.own_axes = tuple(own)
        part.kept = self.composed(spots)
        return part

    def filled(self, items: list[Any]) -> list[Any]:
        """One item for each axis: `...` stands for as many as are missing, and so does leaving the last ones out."""
        rank = len(self.view.size)
        if Ellipsis in [item for item in items if item is Ellipsis]:
            place = next(n for n, item in enumerate(items) if item is Ellipsis)
            items = [*items[:place], *[slice(None)] * (rank - len(items) + 1), *items[place + 1 :]]
        elif len(items) == rank - 1 and self.view.size[0] == 1 and self.axes[0] in ("batch", "axis 0"):
            items = items if any(isinstance(item, slice) for item in items) else [0, *items]
        if len(items) > rank:
            raise InputError(
                f"{self.name} has {rank} axes: {', '.join(self.axes) or 'none'}",
                wanted=f"at most {rank} places",
                came=f"{len(items)}",
            )
        return items + [slice(None)] * (rank - len(items))

    def spot(self, axis: int, item: Any, batch_row: int) -> int:
        """The place that an item of an index names, counted from 0."""
        size, name = self.view.size[axis], self.axes[axis]
        if isinstance(item, str):
            return self.spot_of_token(axis, item, batch_row)
        try:
            place = int(item.__index__())
        except AttributeError:
            raise InputError(
                f"{self.name}: this cannot be a place on the axis {name}",
                wanted="a whole number, a token's text or a slice",
                came=repr(item),
            ) from None
        if not -size <= place < size:
            raise InputError(
                f"{self.name}: the axis {name} has {size} places",
                wanted=f"{-size} to {size - 1}" if size else "nothing: it is empty",
                came=str(place),
            )
        return place % size

    def spot_of_token(self, axis: int, text: str, batch_row: int) -> int:
        texts = self.tokens(axis, batch_row)
        if texts is None:
            raise InputError(
                f"{self.name}: the axis {self.axes[axis]} counts no tokens that have a text",
                wanted="a whole number",
                came=repr(text),
                advice="record through a model with its tokenizer, or say the tokens with record.label(…)",
            )
        spots = [place for place, token in enumerate(texts) if token == text]
        if len(spots) == 1:
            return spots[0]
        near = [token for token in texts if token.strip() == text.strip()][:5]
        raise InputError(
            f"{self.name}: the token {text!r} stands at {len(spots) or 'no'} places of the axis {self.axes[axis]}",
            wanted="a token that stands there once, or a place",
            came=", ".join(map(str, spots)) or (f"near: {', '.join(map(repr, near))}" if near else None),
        )

    def number_at(self, offset: int, spots: list[Any]) -> RecordedNumber:
        number = RecordedNumber(self.record, self.view.storage, offset, self.time, self.view.dtype)
        places = ", ".join(map(str, self.composed(spots)))
        number.label = f"{self.name}[{places}]" if places else self.name
        return number

    def composed(self, spots: list[Any]) -> tuple[int | range, ...]:
        """Places in the whole tensor for places in this part of it."""
        rest = iter(spots)
        return tuple(kept[next(rest)] if isinstance(kept, range) else kept for kept in self.kept)

    def numbers(self) -> list[RecordedNumber]:
        """Every number in it, in order."""
        return [self.number_at(self.view.offset_of(index), [*index]) for index in np.ndindex(*self.view.size)]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "axes": list(self.axes),
            "shape": list(self.shape),
            "dtype": str(self.dtype).removeprefix("torch."),
            "what": self.what,
            "module": self.module,
            "place": self.place,
            "rerun": self.rerun,
        }

    def _repr_html_(self) -> str:
        """For a notebook: a heat map."""
        from everysum.explain.picture import heat_map_html

        return heat_map_html(self)

    def __repr__(self) -> str:
        axes = ", ".join(f"{name} {size}" for name, size in zip(self.axes, self.shape, strict=True))
        marked = ", from a re-run" if self.rerun else ""
        return f"{self.name} ({axes or 'a single number'}): {self.what}{marked}"


def cut(axis: Any, start: int, count: int, step: int) -> Any:
    """The label of a part of an axis."""
    if len(axis) != 1 or step != 1:
        return (type(axis[0])(axis[0].name if len(axis) == 1 else "", count),)
    label = axis[0]
    return (type(label)(label.name, count, label.tokens_of, label.start + start),)
