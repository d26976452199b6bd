"""What a command tells while it runs: lines and a bar on a terminal, or a log of JSON lines."""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

import typer

from mqlml.progress import Progress

__all__ = ["JsonLog", "Listener", "Session", "Terminal"]

Item = TypeVar("Item")


class Listener(Progress, Protocol):
    """A `Progress` that is also told how a command ends.

    Attributes
    ----------
    seconds : how long each step took.
    """

    seconds: dict[str, float]

    def finish(self, summary: dict[str, object], /) -> None:
        """The command is done; its result."""

    def fail(self, kind: str, message: str, code: int, /) -> None:
        """The command ends with an error and this exit code."""

    def stop(self, message: str, code: int, /) -> None:
        """The command was asked to end."""


@contextmanager
def _timing(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = round(seconds.get(name, 0.0) + time.perf_counter() - start, 3)


class Terminal:
    """Times every step and shows it on standard error if that is a terminal; errors and notes always."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._shown = sys.stderr.isatty()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        before = self.seconds.get(name, 0.0)
        with _timing(self.seconds, name):
            yield
        if self._shown:
            typer.echo(f"  {name}: {self.seconds[name] - before:.1f} s", err=True)

    def track(self, items: Sequence[Item], name: str) -> Iterable[Item]:
        from tqdm import tqdm

        bar: Iterable[Item] = tqdm(
            items, desc=f"  {name}", disable=not self._shown, leave=False, file=sys.stderr
        )
        return bar

    def track_rows(self, items: Sequence[Item], rows: Sequence[int], name: str) -> Iterator[Item]:
        from tqdm import tqdm

        with tqdm(
            total=sum(rows),
            desc="  score",
            unit=f" {name}",
            unit_scale=True,
            disable=not self._shown,
            leave=False,
            file=sys.stderr,
        ) as bar:
            for item, number in zip(items, rows, strict=True):
                yield item
                bar.update(number)

    def note(self, text: str) -> None:
        typer.echo(f"mqlml: {text}", err=True)

    def finish(self, summary: dict[str, object]) -> None:
        """Nothing: the result goes to standard output."""

    def fail(self, kind: str, message: str, code: int) -> None:
        del kind, code
        self.note(message)

    def stop(self, message: str, code: int) -> None:
        del code
        self.note(message)


class JsonLog:
    """Writes one JSON object a line to standard error, each with its time and the id of the run."""

    def __init__(self) -> None:
        self.run_id = uuid.uuid4().hex
        self.seconds: dict[str, float] = {}

    def _write(self, event: str, level: str = "info", **values: object) -> None:
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        line = {"time": now, "level": level, "run": self.run_id, "event": event, **values}
        typer.echo(json.dumps(line, ensure_ascii=False, allow_nan=False), err=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self._write("step begins", step=name)
        before = self.seconds.get(name, 0.0)
        with _timing(self.seconds, name):
            yield
        self._write("step done", step=name, seconds=round(self.seconds[name] - before, 3))

    def track(self, items: Sequence[Item], name: str) -> Iterator[Item]:
        for number, item in enumerate(items, start=1):
            yield item
            self._write("progress", done=number, of=len(items), what=name)

    def track_rows(self, items: Sequence[Item], rows: Sequence[int], name: str) -> Iterator[Item]:
        start, done, total = time.perf_counter(), 0, sum(rows)
        for item, number in zip(items, rows, strict=True):
            yield item
            done += number
            rate = done / max(time.perf_counter() - start, 1e-9)
            left = None if rate == 0 else round((total - done) / rate, 1)
            self._write(
                "progress", done=done, of=total, what=name, rows_per_second=round(rate, 1), seconds_left=left
            )

    def note(self, text: str) -> None:
        self._write("note", message=text)

    def finish(self, summary: dict[str, object]) -> None:
        self._write("done", result=summary)

    def fail(self, kind: str, message: str, code: int) -> None:
        self._write("failed", "error", kind=kind, message=message, exit_code=code)

    def stop(self, message: str, code: int) -> None:
        self._write("stopped", "warning", message=message, exit_code=code)


class Session:
    """One call of the command line: who listens, which a command may change."""

    def __init__(self) -> None:
        self.listener: Listener = Terminal()
