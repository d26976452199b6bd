"""Run one command: errors become a line and an exit code, and signals end a command cleanly."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, cast

import typer

from mqlml.cli.app import app, show_json
from mqlml.cli.terminal import Session
from mqlml.errors import MqlmlError

__all__ = ["main"]

# Typer has its own copy of click; this is the only public name of its error.
_UsageError = cast(type[Exception], typer.BadParameter.__base__)
_USAGE, _SYSTEM, _INTERRUPTED, _TERMINATED = 2, 4, 130, 143


def _complain(session: Session, kind: str, message: str, code: int, as_json: bool) -> int:
    if as_json:
        from mqlml.results import CommandError, ErrorResult, to_json_safe

        show_json(to_json_safe(ErrorResult(CommandError(kind, message))))
    session.listener.fail(kind, message, code)
    return code


def _usage_text(error: Any) -> str:
    message = " ".join(str(error.format_message()).split()).rstrip(".")
    command = error.ctx.command_path if error.ctx is not None else "mqlml"
    text = f"{message[:1].lower()}{message[1:]}".replace(". Did you mean", "; did you mean")
    return f"{text}{'' if text.endswith('?') else ';'} see '{command} --help'"


def _system_text(error: OSError) -> str:
    where = f" at {str(error.filename)!r}" if error.filename is not None else ""
    return (
        f"the system refused{where}: {error.strerror or error}; check that the disk has space and is writable"
    )


def main(arguments: list[str] | None = None) -> None:
    """Run one command; an error that a user can cause ends in one or two lines and its exit code."""
    # Libraries make millions of objects that stay; visiting them over and over costs a fifth of the start-up.
    gc.set_threshold(100_000, 50, 1000)
    arguments = sys.argv[1:] if arguments is None else arguments
    session = Session()
    with _stopping():
        code = _run(arguments, session, as_json="--json" in arguments)
    if code in (_INTERRUPTED, _TERMINATED):
        session.listener.stop("stopped; nothing half-written was left behind", code)
    sys.exit(code)


@contextmanager
def _stopping() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does: everything is cleaned up on the way out; a second one is ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        if number == signal.SIGTERM:
            raise SystemExit(_TERMINATED)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(arguments: list[str], session: Session, *, as_json: bool) -> int:
    """The exit code of one command."""
    try:
        # A command returns None; for --help and Ctrl-C typer returns an exit code.
        return int(app(arguments, prog_name="mqlml", standalone_mode=False, obj=session) or 0)
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else 1
    except MqlmlError as error:
        # The nearest public kind: a room may have its own subclass.
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == MqlmlError.__module__)
        return _complain(session, kind.__name__, str(error), error.exit_code, as_json)
    except _UsageError as error:
        if arguments:
            return _complain(session, "UsageError", _usage_text(error), _USAGE, as_json)
        typer.echo(str(error), err=True)  # the help
        return _USAGE
    except OSError as error:  # such as a missing folder for temporary files
        return _complain(session, "OSError", _system_text(error), _SYSTEM, as_json)
    except Exception as error:  # a fault of ours: a script gets its one object, and the traceback follows
        text = (
            f"this is a fault in mqlml, {type(error).__name__}: {error}; please report it with the traceback"
        )
        _complain(session, "InternalError", text, 1, as_json)
        raise
