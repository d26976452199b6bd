"""The entry point: Ctrl-C and SIGTERM end a run quietly from its first moment on, before heavy imports."""

from __future__ import annotations

import os
import signal
from types import FrameType

__all__ = ["main"]

_STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143}


def _leave(number: int, _frame: FrameType | None) -> None:
    """End at once: nothing has been written yet, or all is written and closed."""
    os._exit(_STOPS[signal.Signals(number)])


def main() -> None:
    """Take the command line; see `mqlml.cli.main`."""
    for number in _STOPS:
        # What a shell starts in the background ignores Ctrl-C, and goes on doing so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from mqlml.cli import main as run

    run()


if __name__ == "__main__":
    main()
