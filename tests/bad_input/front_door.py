"""What every bad input meets: a folder of small real files is spoilt, a command is run, and its words are judged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from mqlml.cli import main

EARLIER = b"an earlier result, every byte of which is to stay\n"


@dataclass
class Desk:
    """A user's folder: files, and the settings that ``mqlml.yml`` is written from."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        return self.folder / name

    def write(self, name: str, content: str | bytes) -> None:
        data = content.encode() if isinstance(content, str) else content
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_bytes(data)

    def set(self, key: str, value: Any) -> None:
        """Change one setting by its dotted key; None takes it away."""
        *way, last = key.split(".")
        place = self.settings
        for part in way:
            place = place.setdefault(part, {})
        if value is None:
            del place[last]
        else:
            place[last] = value

    def save(self) -> None:
        self.write("mqlml.yml", yaml.safe_dump(self.settings, sort_keys=False))


Spoil = Callable[[Desk], object]


def setting(key: str, value: Any) -> Spoil:
    return lambda desk: desk.set(key, value)


def file(name: str, content: str | bytes) -> Spoil:
    return lambda desk: desk.write(name, content)


def gone(name: str) -> Spoil:
    return lambda desk: desk.path(name).unlink()


def swap(name: str, old: str, new: str, count: int = -1) -> Spoil:
    """Text replaced in a file; it must be there, or the row of the table would test nothing."""

    def spoil(desk: Desk) -> None:
        text = desk.path(name).read_text(encoding="utf-8")
        assert old in text
        desk.write(name, text.replace(old, new, count))

    return spoil


def every(*spoils: Spoil) -> Spoil:
    return lambda desk: [spoil(desk) for spoil in spoils]


@dataclass(frozen=True)
class Bad:
    """One row of the table: what is wrong, and what is said about it."""

    id: str
    spoil: Spoil
    says: str
    kind: str
    code: int = 1


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """A command's exit code, standard output and standard error."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    out, err = capsys.readouterr()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, out, err


def judge_words(err: str, says: str) -> str:
    """One or two lines of bearable length that say what is expected; the message without the program's name."""
    lines = err.splitlines()
    assert err.endswith("\n")
    assert 1 <= len(lines) <= 2, err
    assert lines[0].startswith("mqlml: "), err
    assert "Traceback" not in err
    assert max(map(len, lines)) <= 400, err
    assert re.search(says, err, re.DOTALL), f"expected {says!r}, found:\n{err}"
    return err.removeprefix("mqlml: ").removesuffix("\n")


def judge(arguments: list[str], bad: Bad, capsys: pytest.CaptureFixture[str]) -> None:
    """A command is refused in words, and with ``--json`` in exactly one object that holds the same words."""
    code, out, err = run(arguments, capsys)
    message = judge_words(err, bad.says)
    assert (code, out) == (bad.code, "")
    code, out, err = run([*arguments, "--json"], capsys)
    assert code == bad.code
    again = judge_words(err, bad.says)
    assert _without_clock(again) == _without_clock(message)
    assert out.count("\n") == 1
    assert json.loads(out) == {"error": {"kind": bad.kind, "message": again}}


def _without_clock(message: str) -> str:
    """Two runs may lie on both sides of a minute."""
    return re.sub(r"it is \d\S*", "it is now", message)


def leave_result(desk: Desk, name: str) -> Path:
    """An earlier result at the place where a command would write."""
    desk.write(name, EARLIER)
    return desk.path(name)


def names_in(folder: Path) -> set[str]:
    """All files of a folder, so that nothing half-written is overlooked."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


OPENED = {"models/mlflow.holdout_access.jsonl", "models/mlflow.db.lock"}
"""What a training that judged its model and then failed leaves: the record that it saw the held-out period."""
