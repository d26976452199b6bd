"""Read the config from a YAML file; errors name the key and the line.

Relative paths are taken from the folder of the config file. ``${NAME}`` reads an environment variable and
``${NAME:-text}`` falls back to ``text``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from mqlml.config.problems import ConfigProblem, find_problems, make_error
from mqlml.config.sections import Config
from mqlml.config.yamlfile import Lines, parse_yaml
from mqlml.errors import ConfigError, UsageError

__all__ = ["describe_config", "expand_text", "make_config", "read_config"]

_LONGEST = 80
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def _expand(value: Any, place: tuple[int | str, ...], problems: list[ConfigProblem]) -> Any:
    """Environment variables put in, in every text of the parsed YAML (so no value can change its structure)."""
    if isinstance(value, dict):
        return {key: _expand(item, (*place, key), problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, (*place, number), problems) for number, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def read(match: re.Match[str]) -> str:
        text = os.environ.get(match[1], match[2])
        if text is None:
            rule = f"reads the environment variable {match[1]}, which is not set"
            remedy = f"set it, or write ${{{match[1]}:-default}}"
            problems.append(ConfigProblem(place, rule, remedy=remedy))
            return match[0]
        return text

    return _VARIABLE.sub(read, value)


def expand_text(text: str, where: str) -> str:
    """A text of the command line with its ``${NAME}`` read from the environment.

    Raises
    ------
    UsageError
        If a variable is not set.
    """
    problems: list[ConfigProblem] = []
    found: str = _expand(text, (where,), problems)
    if problems:
        raise UsageError(f"{where} {problems[0].rule}; {problems[0].remedy}")
    return found


def make_config(values: Any, *, folder: Path, where: str = "config", lines: Lines | None = None) -> Config:
    """A `Config` from parsed YAML.

    Parameters
    ----------
    values : what the file holds.
    folder : where relative paths start.
    where : what to call the file in errors.
    lines : the lines of its values, from `mqlml.config.yamlfile.parse_yaml`.

    Raises
    ------
    ConfigError
        If a key is missing or unknown, or a value is not what it must be.
    """
    if not isinstance(values, dict):
        found = "nothing" if values is None else repr(values)
        raise ConfigError(
            f"{where} must hold keys and values (name:, data:, problem: …); found {found[:_LONGEST]}. "
            "See what 'mqlml demo' writes"
        )
    problems: list[ConfigProblem] = []
    expanded = _expand(values, (), problems)
    try:
        config = Config.model_validate(
            {**expanded, "folder": folder, "written": values},
            context={"zone": _zone_of(expanded.get("data"))},
        )
    except ValidationError as error:
        problems += find_problems(error, Config)
    if problems:
        raise make_error(where, problems, lines or {})
    return config


def read_config(path: str | Path) -> Config:
    """Read and check a config file.

    Parameters
    ----------
    path : path of a YAML file, usually ``mqlml.yml``.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, or does not say what it must.

    Examples
    --------
    >>> import tempfile
    >>> text = "{name: leads, data: {flat: {path: leads.csv, lead_id: id, label: won, positive: 1, order: id}}}"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = (Path(folder) / "mqlml.yml").write_text(text)
    ...     config = read_config(Path(folder) / "mqlml.yml")
    >>> config.name, config.data.flat.path
    ('leads', 'leads.csv')
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no config file {str(path)!r}; name one with --config, or make an example with 'mqlml demo'"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(
            f"the config file {str(path)!r} cannot be read as UTF-8 text; save it as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"the config file {str(path)!r} cannot be read: {error.strerror}; name another with --config"
        ) from None
    values, lines = parse_yaml(text, str(path))
    return make_config(values, folder=path.parent, where=str(path), lines=lines)


def _zone_of(data: Any) -> str:
    """The zone that times without one are meant in; UTC where ``data.timezone`` is left out, or no zone at all."""
    zone = data.get("timezone") if isinstance(data, dict) else None
    try:
        return ZoneInfo(zone).key if isinstance(zone, str) else "UTC"
    except (KeyError, OSError, ValueError):
        return "UTC"  # the check of data.timezone says what is wrong


def describe_config(config: Config) -> dict[str, Any]:
    """The config with its defaults, as a version keeps it.

    What came from the environment is kept as ``${NAME}``, so that neither a password nor a path of one machine gets
    into a version. Only ``problem``, which scoring reads and which holds durations and stages, is kept resolved.
    """
    described: dict[str, Any] = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    written = {name: value for name, value in config.written.items() if name != "problem"}
    kept: dict[str, Any] = _put_back(described, written)
    return kept


def _put_back(value: Any, written: Any) -> Any:
    if isinstance(written, dict) and isinstance(value, dict):
        return {key: _put_back(item, written.get(key)) for key, item in value.items()}
    if isinstance(written, list) and isinstance(value, list) and len(written) == len(value):
        return [_put_back(item, text) for item, text in zip(value, written, strict=True)]
    return written if isinstance(written, str) and _VARIABLE.search(written) else value
