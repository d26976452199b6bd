"""Connections to PostgreSQL: opened without showing a password, and retried where the error says that helps."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from mqlml.errors import ConfigError, DatabaseError

__all__ = ["SCHEMES", "connect", "connect_arrow", "describe_url", "explaining", "is_postgres", "retrying"]

SCHEMES = ("postgresql://", "postgres://")

_TRANSIENT = ("08", "40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300")
"""SQLSTATEs (or their class) that a later attempt may not meet again: a cut connection, a serialization failure, a
deadlock, a lock that is held, a server that stops or starts, too many connections."""

_REMEDIES = {
    "28": "check user and password",
    "3D": "create the database, or correct its name in the URL",
    "42501": "grant the rights that docs/databases.md lists",
    "53100": "free some space on the server",
    "57014": "allow a longer statement_timeout",
}

Item = TypeVar("Item")


def is_postgres(url: str) -> bool:
    """Whether a URL names a PostgreSQL database."""
    return url.startswith(SCHEMES)


def describe_url(url: str) -> str:
    """The database of a URL, without its password or options.

    >>> describe_url("postgresql://ann:secret@db.example:5433/crm?sslmode=require")
    'postgresql://ann@db.example:5433/crm'
    """
    scheme, _, rest = url.partition("://")
    rest = rest.partition("?")[0]
    user, at, place = rest.rpartition("@")
    name = user.partition(":")[0]
    return f"{scheme}://{name}{at}{place}"


def _check_url(url: str) -> None:
    """Refuse a password with characters that end it early: libpq would take its rest for a host and show it."""
    rest = url.partition("://")[2].partition("?")[0]
    if rest.count("@") > 1 or "/" in rest.rpartition("@")[0]:
        raise ConfigError(
            f"the URL of {describe_url(url).partition('@')[0]!r}… cannot be read: '@' and '/' in a password are "
            "written %40 and %2F"
        )


def _load() -> tuple[Any, Any]:
    """The two drivers, which are installed with the extra ``postgres``."""
    try:
        import adbc_driver_postgresql.dbapi
        import psycopg
    except ImportError as error:
        raise ConfigError(
            f"PostgreSQL needs the extra 'postgres' ({error}); install it with pip install 'mqlml[postgres]'"
        ) from None
    return psycopg, adbc_driver_postgresql.dbapi


def connect(url: str) -> Any:
    """A psycopg connection in autocommit mode, for statements and locks."""
    _check_url(url)
    psycopg, _ = _load()
    with explaining(url):
        return psycopg.connect(url, autocommit=True, application_name="mqlml")


def connect_arrow(url: str, *, autocommit: bool = False) -> Any:
    """An ADBC connection, for tables as Arrow batches."""
    _check_url(url)
    _, adbc = _load()
    with explaining(url):
        return adbc.connect(url, autocommit=autocommit)


@contextlib.contextmanager
def explaining(url: str) -> Iterator[None]:
    """Turn the drivers' errors into `DatabaseError`."""
    psycopg, adbc = _load()
    try:
        yield
    except (psycopg.Error, adbc.Error) as error:
        raise _explain(error, url) from error


def _explain(error: Exception, url: str) -> DatabaseError:
    """A driver's error as ours: what the server said, where, and what helps; never a password."""
    state: str | None = getattr(error, "sqlstate", None)
    text = re.split(r"\n|Query was:| SQLSTATE:", str(error).strip())[0].strip()
    password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    if password:
        text = text.replace(password, "***")
    remedy = next((advice for start, advice in _REMEDIES.items() if (state or "").startswith(start)), None)
    if remedy is None and (state is None or state.startswith(("08", "57"))):
        remedy = "see that the server runs and can be reached"
    shown = f" ({state})" if state else ""
    return DatabaseError(
        f"{describe_url(url)}: {text}{shown}" + (f"; {remedy}" if remedy else ""), sqlstate=state
    )


def retrying(
    action: Callable[[], Item],
    *,
    attempts: int = 7,
    first_wait: float = 0.5,
    sleep: Callable[[float], None] = time.sleep,
) -> Item:
    """Do something with a database, again where its error is transient.

    The wait doubles each time, up to 30 s, and is drawn between its half and its whole, so that jobs that failed
    together do not return together.

    Raises
    ------
    DatabaseError
        The last one, or at once one that another attempt would meet again.
    """
    draw = secrets.SystemRandom()
    for attempt in range(attempts):
        try:
            return action()
        except DatabaseError as error:
            transient = error.sqlstate is None or error.sqlstate.startswith(_TRANSIENT)
            if not transient or attempt == attempts - 1:
                raise
        sleep(min(first_wait * 2**attempt, 30.0) * draw.uniform(0.5, 1.0))
    raise AssertionError("unreachable: the last attempt returns or raises")
