"""Progress: how a long task reports its steps to the caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

__all__ = ["Progress", "Silent"]

Item = TypeVar("Item")


class Progress(Protocol):
    """The listener; the command line measures and shows."""

    def step(self, name: str, /) -> AbstractContextManager[None]:
        """A named step around what runs inside, as in ``with progress.step("read"):``."""

    def track(self, items: Sequence[Item], name: str, /) -> Iterable[Item]:
        """The same items, counted as they are taken."""

    def track_rows(self, items: Sequence[Item], rows: Sequence[int], name: str, /) -> Iterable[Item]:
        """The same items, counted by the rows of each; ``name`` says what a row is, as ``leads``."""

    def note(self, text: str, /) -> None:
        """Something to know while it goes on, as that another process is being waited for."""


class Silent:
    """A listener that shows nothing."""

    def step(self, _name: str, /) -> AbstractContextManager[None]:
        """A step that is not shown."""
        return nullcontext()

    def track(self, items: Sequence[Item], _name: str, /) -> Iterable[Item]:
        """The items, not counted."""
        return items

    def track_rows(self, items: Sequence[Item], _rows: Sequence[int], _name: str, /) -> Iterable[Item]:
        """The items, not counted."""
        return items

    def note(self, _text: str, /) -> None:
        """A note that nobody hears."""
