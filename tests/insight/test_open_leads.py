"""Open leads by source and region: every lead is counted once, and no group is so small that it names its leads."""

from __future__ import annotations

import re

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mqlml.insight import OpenLeadsGroup, summarize_open_leads
from mqlml.render.report.page import render_report
from mqlml.render.report.tables import list_tables, render_markdown
from tests.render.report_samples import normal


def scores(n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "lead_id": [str(number) for number in range(n)],
            "cutoff_time": pd.to_datetime(["2025-06-02"] * n, utc=True),
            "probability": [0.1 if number % 2 else 0.2 for number in range(n)],
            "label": ["mql" if number % 2 else "unqualified" for number in range(n)],
        }
    )


def sources(values: list[str | None]) -> pd.Series:
    return pd.Series(
        values, index=[str(number) for number in range(len(values))], name="Lead source", dtype="str"
    )


def test_groups_by_hand() -> None:
    values = ["web"] * 6 + ["mail"] * 5 + ["fair"] * 4 + [None] * 2
    (split,) = summarize_open_leads(scores(18), {"source": sources(values)}).splits
    assert (split.by, split.column) == ("source", "Lead source")
    assert [(group.value, group.others, group.leads) for group in split.groups] == [
        ("web", False, 6),
        ("mail", False, 5),
        (None, True, 4),
        (None, False, 3),  # two without a source, and one that is not among the leads
    ]
    assert split.groups[0] == OpenLeadsGroup(
        "web", False, 6, split.groups[0].expected, {"unqualified": 3, "mql": 3}
    )
    assert abs(split.groups[0].expected - 0.9) < 1e-12


@given(st.lists(st.sampled_from([*"abcdefghijkl", None]), min_size=1, max_size=120))
def test_every_open_lead_is_in_one_group(values: list[str | None]) -> None:
    found = summarize_open_leads(scores(len(values)), {"region": sources(values)})
    groups = found.splits[0].groups
    assert sum(group.leads for group in groups) == found.leads
    assert abs(sum(group.expected for group in groups) - found.expected) < 1e-9
    assert all(group.leads >= 5 for group in groups if group.value is not None)
    assert len(groups) <= 10


def test_the_page_shows_groups_and_no_lead() -> None:
    values = ["web"] * 6 + ["<b>mail</b>"] * 5
    given_leads = summarize_open_leads(scores(11), {"source": sources(values)})
    page = render_report(normal(), open_leads=given_leads)
    text = re.sub(r"\s+", " ", re.sub("<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL))
    assert "By source" in text
    assert "web 6 3 0.9 15%" in text
    assert "&lt;b&gt;mail" in text
    assert "| web | 6 | 3 | 0.9 | 15% |" in render_markdown(normal(), open_leads=given_leads)
    assert [row["leads"] for row in list_tables(normal(), given_leads)["open_leads_by_source"]] == [6, 5]
