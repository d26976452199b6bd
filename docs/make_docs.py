"""Writes the pages of docs/ that are made from the code: run ``python docs/make_docs.py`` to renew them."""

from __future__ import annotations

import csv
import re
import typing
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from types import NoneType, UnionType

from pydantic.fields import FieldInfo

from mqlml.cli import app
from mqlml.commands.features import group_windows, list_entries
from mqlml.config import Config, make_config
from mqlml.config.features import Groups
from mqlml.features import FAMILIES, plan_features
from mqlml.monitoring import MonitorResult, RecalibrateResult, ThresholdsResult
from mqlml.render import draft_results, funnel_results, results, version_results
from mqlml.render.results import CatalogEntry, TrainedVersion
from mqlml.results import ErrorResult, Number, Result, describe_fields
from mqlml.simulate import simulate

HERE = Path(__file__).resolve().parent

FEATURES = """\
# The features

Made from the code by `python docs/make_docs.py`; a test holds it to that. It shows a simulated company with every
group of `features.groups` switched on, the two most frequent actions and channels of each kind only, and one
persona, one undesirable profile and one aggregate of the user's own. `mqlml features` lists those of your data.

A name is `family__what__aggregate__window`; features that differ in their window share a row.
"""

JSON = """\
# JSON output

Made from the code by `python docs/make_docs.py`; a test holds it to that. With `--json` a command prints exactly one
JSON object, on one line, to standard output. Keys may be added in later releases; they are renamed or removed only
where `CHANGELOG.md` says so. Times are ISO 8601 in UTC, a day alone where it begins at midnight.

A key such as `leaks[].column` is that of every item of a list; in `tables.NAME.rows`, NAME stands for any key of an
object. Records that appear in several places have a section of their own at the end.
"""

RESULTS: dict[str, type[Result]] = {
    "demo": results.DemoResult,
    "init": draft_results.InitResult,
    "check": results.CheckResult,
    "features": results.FeaturesResult,
    "table": results.TableResult,
    "backtest": results.BacktestResult,
    "train": TrainedVersion,
    "score": results.ScoreResult,
    "score --check": results.ScoreCheckResult,
    "explain": results.ExplainResult,
    "report": results.ReportResult,
    "monitor": MonitorResult,
    "recalibrate": RecalibrateResult,
    "thresholds": ThresholdsResult,
    "attribute": results.AttributeResult,
    "sources": results.SourcesResult,
    "funnel": funnel_results.FunnelResult,
    "plan": funnel_results.PlanResult,
    "personas": results.PersonasResult,
    "paths": results.PathsResult,
    "points": results.PointsResult,
    "compare": version_results.CompareResult,
    "compare won@champion sales@champion": version_results.OutcomesCompareResult,
    "promote": version_results.ChampionResult,
    "rollback": version_results.ChampionResult,
    "history": version_results.HistoryResult,
    "retrain": version_results.RetrainResult,
    "reproduce": version_results.ReproduceResult,
}
"""What each command prints with ``--json``."""

TITLES = """\
# Job titles

Made from the code by `python docs/make_docs.py`; a test holds it to that. Seniority and function are read out of job
titles by one table, `mqlml/features/parsers/job_titles.csv`: English, German, French, Spanish, Portuguese,
Italian, Dutch and Polish, and the commonest words of some other languages. A title is compared without case,
accents and signs, by
whole words. The first row that has a word or phrase of the title decides, so rows of exceptions come first.

Rows of your own come before all of these, and may bring values of their own:

```yaml
profile:
  job_titles:
    - {what: seniority, value: c_level, words: [Grand Poobah, Häuptling]}
    - {what: function, value: clinical, words: [ward manager, Stationsleitung]}
  # or the name of a CSV file with the columns what, value, words (words divided by |):
  # job_titles: our_titles.csv
```
"""


def example_config() -> Config:
    """Every group on, few words kept, and one of everything that a user can add."""
    return make_config(
        {
            "name": "catalogue",
            "data": {"observed_until": "2025-06-24", "leads": {"path": "-"}, "outcomes": {"path": "-"}},
            "windows": ["7d", "30d", "all"],
            "personas": {"it_buyer": {"function": {"in": ["it"]}, "employees": {"min": 50}}},
            "features": {
                "max_actions": 2,
                "max_channels": 2,
                "groups": dict.fromkeys(Groups.model_fields, True),
                "pairs": [{"first": "pricing_page_visit", "then": "demo_request"}],
                "undesirable_channels": ["paid_social"],
                "undesirable_profiles": {"out_of_region": {"country": {"not_in": ["US", "DE"]}}},
                "custom": [
                    {
                        "name": "long_visits",
                        "family": "actions",
                        "sentence": "Events of at least a minute",
                        "aggregate": "count",
                        "where": {"value": {"min": 60}},
                        "windows": ["30d"],
                    }
                ],
            },
        },
        folder=HERE,
    )


def make_features_page() -> str:
    """Every feature of a simulated company, family by family."""
    config = example_config()
    journeys = simulate(300, random_state=0).journeys()
    entries = list_entries(plan_features(journeys, config, before=None))
    lines = FEATURES.splitlines()
    for family in FAMILIES:
        own = [entry for entry in entries if entry.family == family]
        lines += ["", f"## {family.capitalize()}", "", "| feature | what it says | from |", "|---|---|---|"]
        lines += [_row(name, group[0]) for name, group in group_windows(own)]
    return "\n".join(lines) + "\n"


def _row(name: str, entry: CatalogEntry) -> str:
    said = entry.sentence.replace("|", "\\|")
    kind = "" if entry.kind == "number" else " (a category)"
    return f"| `{name}` | {said}{kind} | {', '.join(f'`{source}`' for source in entry.source)} |"


def make_titles_page() -> str:
    """What the table of job titles knows."""
    text = files("mqlml.features.parsers").joinpath("job_titles.csv").read_text(encoding="utf-8")
    lines = TITLES.splitlines()
    for what in ("seniority", "function"):
        lines += ["", f"## {what.capitalize()}", "", "| value | words | for example |", "|---|---|---|"]
        lines += list(_title_rows(text, what))
    return "\n".join(lines) + "\n"


def _title_rows(text: str, what: str) -> Iterator[str]:
    for row in csv.DictReader(text.splitlines()):
        if row["what"] == what:
            words = row["words"].split("|")
            step = max(1, len(words) // 8)
            yield f"| `{row['value']}` | {len(words)} | {', '.join(words[::step][:8])} |"
    yield "| `other` | | every other title |"


def make_json_page() -> str:
    """What every command prints with ``--json``, key by key."""
    examples = {
        str(command.name or command.callback.__name__): str(command.epilog).removeprefix("Example: ")
        for command in app.registered_commands
        if command.callback
    }
    shared = _find_shared([*RESULTS.values(), ErrorResult])
    lines = JSON.splitlines()
    for command, kind in RESULTS.items():
        name, *option = command.split()
        example = " ".join([examples[name].removesuffix(" --json"), *option, "--json"])
        lines += ["", f"## mqlml {command}", "", f"{_format(kind.__doc__)} For example: `{example}`", ""]
        lines += _tabulate(kind, shared)
    lines += ["", "## Errors", "", f"{_format(ErrorResult.__doc__)} The exit code is not 0 then.", ""]
    lines += _tabulate(ErrorResult, shared)
    lines += ["", "## Shared records"]
    for kind in sorted(shared, key=lambda kind: kind.__name__):
        lines += ["", f"### {kind.__name__}", "", _format(kind.__doc__), "", *_tabulate(kind, shared)]
    return "\n".join(lines) + "\n"


def _find_shared(kinds: Iterable[type[Result]]) -> set[type[Result]]:
    """The records that fields of several records, or several fields of one, hold."""
    held: Counter[type[Result]] = Counter()
    left, seen = list(kinds), set[type[Result]]()
    while left:
        kind = left.pop()
        if kind not in seen:
            seen.add(kind)
            found = [record for _, hint in _fields(kind) for record in _records(hint)]
            held.update(found)
            left += found
    return {kind for kind, times in held.items() if times > 1}


def _fields(kind: type[Result]) -> Iterator[tuple[str, object]]:
    """The key in JSON and the type of each field."""
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        if not name.startswith("__"):
            marks = [mark for mark in typing.get_args(hint) if isinstance(mark, FieldInfo)]
            yield next((mark.alias for mark in marks if mark.alias), name), hint


def _records(hint: object) -> Iterator[type[Result]]:
    if isinstance(hint, type) and issubclass(hint, Result):
        yield hint
    for part in typing.get_args(hint):
        yield from _records(part)


def _tabulate(kind: type[Result], shared: set[type[Result]]) -> list[str]:
    return ["| key | type | meaning |", "|---|---|---|", *_key_rows(kind, "", shared)]


def _key_rows(kind: type[Result], path: str, shared: set[type[Result]]) -> Iterator[str]:
    """A row for each key, followed by those of the record that it holds, unless that has a section of its own."""
    texts = describe_fields(kind)
    for key, hint in _fields(kind):
        place = f"{path}{key}"
        yield f"| `{place}` | {_say_type(hint, shared)} | {_format(texts[key])} |"
        for record in _records(hint):
            if record not in shared:
                yield from _key_rows(record, f"{place}{_step(hint)}.", shared)


def _step(hint: object) -> str:
    """How a path goes on from a field to the record in it."""
    origin = typing.get_origin(hint)
    if origin is tuple:
        return "[]"
    return ".NAME" if isinstance(origin, type) and issubclass(origin, Mapping) else ""


_TYPES: dict[object, tuple[str, str]] = {
    Number: ("number or null", "numbers or nulls"),
    NoneType: ("null", "nulls"),
    bool: ("true or false", "trues or falses"),
    float: ("number", "numbers"),
    int: ("whole number", "whole numbers"),
    str: ("text", "texts"),
}
"""The words for one value and for several."""


def _say_type(hint: object, shared: set[type[Result]], *, several: bool = False) -> str:
    if hint in _TYPES:
        return _TYPES[hint][several]
    if isinstance(hint, type) and issubclass(hint, Result):
        link = f"[{hint.__name__}](#{hint.__name__.lower()})"
        return link if hint in shared else "objects" if several else "object"
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _say_type(parts[0], shared, several=several)
    if origin is typing.Literal:
        values = [f"`{part}`" for part in parts]
        return " or ".join(filter(None, [", ".join(values[:-1]), values[-1]]))
    if origin in (typing.Union, UnionType):
        return " or ".join(_say_type(part, shared, several=several) for part in parts)
    # A list has the type of its items, an object that of its values.
    held = _say_type(parts[0] if origin is tuple else parts[1], shared, several=True)
    outer = "list" if origin is tuple else "object"
    return f"{outer}{'s' if several else ''} of {held}"


def _format(text: str | None) -> str:
    """A text of the code as Markdown: code in single backticks, Python's None as JSON has it."""
    said = " ".join((text or "").split()).replace("``", "`").replace("|", "\\|")
    return re.sub(r"\bNone\b", "null", said)


PAGES = {
    "features.md": make_features_page,
    "job_titles.md": make_titles_page,
    "json.md": make_json_page,
}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (HERE / name).write_text(make(), encoding="utf-8")
