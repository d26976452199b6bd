"""Progress: what a long task tells whoever started it, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

__all__ = ["Progress", "Silent"]

Item = TypeVar("Item")


class Progress(Protocol):
    """Whoever listens; the command line measures and shows."""

    def step(self, name: str, /) -> AbstractContextManager[None]:
        """Everything inside belongs to one named step, as in ``with progress.step("read"):``."""

    def track(self, items: Sequence[Item], name: str, /) -> Iterable[Item]:
        """The same items, one after another, counted while they are worked on."""

    def note(self, text: str, /) -> None:
        """Something to know while it goes on, as that another process is being waited for."""


class Silent:
    """Nobody listens."""

    def step(self, _name: str, /) -> AbstractContextManager[None]:
        """A step that nobody hears of."""
        return nullcontext()

    def track(self, items: Sequence[Item], _name: str, /) -> Iterable[Item]:
        """The items as they are."""
        return items

    def note(self, _text: str, /) -> None:
        """A note that nobody hears."""
