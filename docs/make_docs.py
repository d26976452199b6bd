"""Writes the pages of docs/ that are made from the code: run ``python docs/make_docs.py`` to renew them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from mqlml.config import Config, make_config
from mqlml.config.groups import Groups
from mqlml.features import FAMILIES, plan_features
from mqlml.journeys.simulate import simulate
from mqlml.pipeline.features import describe_features, group_windows

HERE = Path(__file__).resolve().parent

FEATURES = """\
# The features

Made from the code by `python docs/make_docs.py`; a test holds it to that. It shows a simulated company with every
group of `features.groups` switched on, the two most frequent actions and channels of each kind only, and one
persona, one undesirable profile and one aggregate of the user's own. `mqlml features` lists those of your data.

A name is `family__what__aggregate__window`; features that differ in their window share a row.
"""

TITLES = """\
# Job titles

Made from the code by `python docs/make_docs.py`; a test holds it to that. Seniority and function are read out of job
titles by one table, `mqlml/features/job_titles.csv`: English, German, French, Spanish, Portuguese, Italian, Dutch
and Polish, and the commonest words of some other languages. A title is compared without case, accents and signs, by
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
                        "sentence": "Acts of at least a minute",
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
    found = describe_features(plan_features(journeys, config, before=None), config)
    lines = FEATURES.splitlines()
    for family in FAMILIES:
        own = [feature for feature in found["features"] if feature["family"] == family]
        lines += ["", f"## {family.capitalize()}", "", "| feature | what it says | from |", "|---|---|---|"]
        lines += [_row(name, group[0]) for name, group in group_windows(own)]
    return "\n".join(lines) + "\n"


def _row(name: str, feature: dict[str, Any]) -> str:
    said = feature["sentence"].replace("|", "\\|")
    kind = "" if feature["kind"] == "number" else " (a category)"
    return f"| `{name}` | {said}{kind} | {', '.join(f'`{source}`' for source in feature['source'])} |"


def make_titles_page() -> str:
    """What the table of job titles knows."""
    text = files("mqlml.features").joinpath("job_titles.csv").read_text(encoding="utf-8")
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


PAGES = {"features.md": make_features_page, "job_titles.md": make_titles_page}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (HERE / name).write_text(make(), encoding="utf-8")
