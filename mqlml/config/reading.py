"""Reading the config: a YAML file goes in, a checked `Config` comes out, or an error that names the key.

Relative paths are taken from the folder of the config file. ``${NAME}`` reads an environment variable and
``${NAME:-text}`` falls back to ``text``.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ValidationError

from mqlml.config.sections import Config
from mqlml.errors import ConfigError

__all__ = ["describe_config", "make_config", "read_config"]

_SAID = {
    "missing": "this key is required; add it",
    "string_type": "must be text",
    "string_pattern_mismatch": "must be letters, digits, '.', '_' and '-', beginning with a letter or digit",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "dict_type": "must hold keys and values",
    "model_type": "must hold keys and values",
    "list_type": "must be a list, as [one, two]",
}
"""What is said of pydantic's kinds of error, where its own words speak of Python rather than of a file."""

_LONGEST = 80

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def _expand(value: Any, where: str) -> Any:
    """Environment variables put in, in every text of the parsed YAML (so no value can change its structure)."""
    if isinstance(value, dict):
        return {key: _expand(item, f"{where}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, where) for item in value]
    if not isinstance(value, str):
        return value

    def read(match: re.Match[str]) -> str:
        text = os.environ.get(match[1], match[2])
        if text is None:
            raise ConfigError(
                f"{where} reads the environment variable {match[1]}, which is not set; set it, or write "
                f"${{{match[1]}:-default}}"
            )
        return text

    return _VARIABLE.sub(read, value)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the section at ``location`` knows, by walking the models' annotations."""
    section: Any = Config
    for part in location:
        if isinstance(part, int) or not isinstance(section, type) or not issubclass(section, BaseModel):
            continue
        field = section.model_fields.get(str(part))
        if field is None:
            continue
        found: list[Any] = [field.annotation]
        section = None
        while found:
            kind = found.pop(0)
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                section = kind
                break
            found.extend(getattr(kind, "__args__", ()))
        if section is None:
            return []
    if not (isinstance(section, type) and issubclass(section, BaseModel)):
        return []
    return [field.alias or name for name, field in section.model_fields.items() if not field.exclude]


def _sentence(error: Any) -> str:
    location = tuple(error["loc"])
    where = ".".join(str(part) for part in location if not str(part).startswith(("<", "[")))
    if error["type"] == "extra_forbidden":
        key = str(location[-1])
        known = _known_keys(tuple(part for part in location[:-1] if not str(part).startswith("<")))
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return f"{where}: unknown key {key!r}; {hint}"
    if error["type"] == "too_short":
        return f"{where}: must not be empty; fill it, or take it away"
    if error["type"] == "missing" and isinstance(location[-1], int):
        return f"{where.rpartition('.')[0]}: must hold {location[-1] + 1} values"
    message = _SAID.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    message = message.replace("Input should be", "must be")
    message = f"{message[:1].lower()}{message[1:]}"
    found = error["input"]
    said = error["type"] == "missing" or message.startswith("needs") or "; found " in message
    said = said or "://" in str(found)  # a URI may hold a password
    if not (said or isinstance(found, dict) or len(repr(found)) > _LONGEST):
        message += f"; found {found!r}"
    return f"{where}: {message}" if where else message


def make_config(values: Any, *, folder: Path, where: str = "config") -> Config:
    """A `Config` from parsed YAML.

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
    try:
        expanded = _expand(values, "")
        zone = _zone_of(expanded.get("data"))
        return Config.model_validate(
            {**expanded, "folder": folder, "written": values}, context={"zone": zone}
        )
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    except ValidationError as error:
        sentences = list(dict.fromkeys(_sentence(item) for item in error.errors()))
        more = f" (and {len(sentences) - 1} more)" if len(sentences) > 1 else ""
        raise ConfigError(f"{where}: {sentences[0]}{more}") from None


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
    try:
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML{_yaml_text(error)}") from None
    return make_config(values, folder=path.parent, where=str(path))


def _zone_of(data: Any) -> str:
    """The zone that times without one are meant in; UTC where ``data.timezone`` is left out, or no zone at all."""
    zone = data.get("timezone") if isinstance(data, dict) else None
    try:
        return ZoneInfo(zone).key if isinstance(zone, str) else "UTC"
    except (KeyError, OSError, ValueError):
        return "UTC"  # the check of data.timezone says what is wrong


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, but a key that stands twice is an error: one of the two would be lost unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                problem = f"the key {key.value!r} stands there a second time; remove one of the two"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _yaml_text(error: yaml.YAMLError) -> str:
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem is None or mark is None:
        return f": {' '.join(str(error).split())}"
    where = f" in line {mark.line + 1}, column {mark.column + 1}: {problem}"
    return where if "; " in problem else f"{where}; see to brackets, quotes and blanks (no tabs) around there"


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
