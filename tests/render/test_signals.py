"""The section on signals says what its numbers allow, and nothing else, whatever the numbers are."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.model.signals import (
    Explanation,
    RawComparison,
    SignalEstimate,
    SignalLevel,
    SignalName,
    SignalResult,
)
from mqlml.render.report.page import render_report
from mqlml.render.report.signals import SignalSection, describe_signals, format_explanation, format_level
from tests.render.report_samples import SIGNALS, normal, signal


def plain(text: str) -> str:
    return re.sub("<.*?>", "", text)


def test_rows_by_hand() -> None:
    section = describe_signals(normal())
    assert section is not None
    assert plain(section.sentence) == (
        "Of 3,303 leads whose outcome is known, 272 (8.2%) were won within 60 days."
    )
    actions, negative, profile = section.groups
    assert [group.title for group in section.groups] == ["What they did", "Warning signs", "Who they are"]
    assert [(row.title, row.direction) for row in actions.shown] == [
        ("Pricing page visit", "more"),
        ("Webinar attended", "no_clear_difference"),
    ]
    assert plain(actions.shown[0].difference) == "+5.6 points (2.4 to 9.5)"
    assert plain(actions.shown[0].counts) == "415 leads (13%)"
    assert actions.shown[1].explanation == (
        "Leads with “webinar attended” convert more often, mostly because of other things about them: they more "
        "often have “pricing page visit” (40% of the difference)."
    )
    assert [(row.title, row.direction) for row in negative.shown] == [("Careers page visit", "less")]
    assert [row.title for row in profile.shown] == ["Seniority: C-level"]
    assert [row.title for row in profile.folded] == ["Region: b76ef3…"]
    assert [row.title for row in section.rare] == ["Demo request"]


def test_a_difference_too_small_to_write_has_no_sign() -> None:
    signal = SIGNALS.signals[0]
    tiny = replace(signal.levels[0], like_leads=SignalEstimate(0.0002, 0.0001, 0.001))
    signals = replace(SIGNALS, signals=(replace(signal, levels=(tiny,)), *SIGNALS.signals[1:]))
    page = plain(render_report(replace(normal(), signals=signals)))
    assert "under 0.1 points (under 0.1 to 0.1)" in page
    assert "+under" not in page


def test_a_level_that_all_leads_have_is_no_row() -> None:
    result = normal()
    signal = SIGNALS.signals[0]
    level = signal.levels[0]
    unknown = replace(level, raw=replace(level.raw, with_rate=math.nan, without_rate=math.nan))
    signals = replace(SIGNALS, signals=(replace(signal, levels=(unknown,)), *SIGNALS.signals[1:]))
    before, after = describe_signals(result), describe_signals(replace(result, signals=signals))
    assert before is not None
    assert after is not None

    def titles(section: SignalSection) -> list[str]:
        rows = [row for group in section.groups for row in (*group.shown, *group.folded)]
        return [row.title for row in (*rows, *section.rare)]

    lost = [title for title in titles(before) if title not in titles(after)]
    assert len(titles(before)) - len(titles(after)) == len(lost) == 1


def test_the_page_says_more_of_what_goes_with_converting() -> None:
    page = plain(render_report(normal()).replace("\n", " "))
    assert "They are signs of interest, not proof that more of the same makes leads buy." in page
    assert "less is better" not in page
    assert "Rare but telling" in page


@pytest.mark.parametrize(
    ("level", "text"),
    [
        ("c_level", "C-level"),
        ("vp", "VP"),
        ("51-200", "51-200"),
        ("missing", "not given"),
        ("other", "others"),
        ("paid search", "paid search"),
        ("b76ef37428e6799c421989521c0e5077", "b76ef3…"),
    ],
)
def test_levels_as_people_write_them(level: str, text: str) -> None:
    assert format_level(level) == text


def test_what_goes_along_is_listed_once_for_each_way() -> None:
    level = next(level for one in SIGNALS.signals for level in one.levels if level.name == "webinar_attended")

    def said(*parts: tuple[str, float, bool | None]) -> str:
        by = tuple(Explanation(SignalName("actions", what), share, more) for what, share, more in parts)
        return format_explanation(replace(level, raw=replace(level.raw, explained_by=by))).partition(": ")[2]

    assert said(("visit", 0.2, True), ("call", 0.18, True)) == (
        "they more often have “visit” (20% of the difference) and “call” (18%)."
    )
    assert said(("visit", 0.2, False), ("region", 0.1, None)) == (
        "they less often have “visit” (20% of the difference) and they differ in “region” (10%)."
    )
    assert said(("city", 4.2, None), ("region", 1.3, None)) == (
        "they differ in “city” (more than all of the difference) and “region” (more than all of the difference)."
    )


@pytest.mark.parametrize(
    ("value", "text"), [(0.0004, "about 0"), (-0.0004, "about 0"), (0.0006, "+0.1"), (-0.0126, "−1.3")]
)
def test_a_difference_near_0_is_called_so(value: float, text: str) -> None:
    report = signal("actions", "visit", rates=(0.1, 0.05), like=(value, value - 0.1, value + 0.1), leads=300)
    section = describe_signals(replace(normal(), signals=replace(SIGNALS, signals=(report,))))
    assert section is not None
    (row,) = (row for group in section.groups for row in (*group.shown, *group.folded))
    assert plain(row.difference).startswith(f"{text} points (")


rates = st.one_of(st.floats(0, 1), st.just(math.nan))
ends = st.floats(-1, 1)


@st.composite
def estimates(draw: st.DrawFn) -> SignalEstimate:
    low, value, high = sorted(draw(st.tuples(ends, ends, ends)))
    return SignalEstimate(value, low, high)


@st.composite
def levels(draw: st.DrawFn) -> SignalLevel:
    raw, like = draw(estimates()), draw(estimates())
    leads = draw(st.integers(0, 3000))
    by = draw(
        st.lists(
            st.builds(
                Explanation,
                st.just(SignalName("actions", "visit")),
                st.floats(0.001, 3),
                st.sampled_from([True, False, None]),
            ),
            max_size=2,
        )
    )
    return SignalLevel(
        "webinar", "webinar", draw(st.none() | st.text(max_size=40)), draw(st.booleans()), leads, leads,
        draw(st.floats(0, 1)),
        RawComparison(draw(rates), draw(rates), raw, raw.direction, draw(st.floats(-2, 2)), tuple(by)),
        like, like.direction, draw(st.booleans()),
    )  # fmt: skip


@settings(max_examples=80)
@given(st.lists(levels(), min_size=1, max_size=12))
def test_no_row_contradicts_its_numbers(drawn: list[SignalLevel]) -> None:
    name = SignalName("actions", "webinar")
    signals = tuple(SignalResult(name, (name,), "event", 0.1, 0.1, (level,)) for level in drawn)
    section = describe_signals(
        dataclasses.replace(normal(), signals=dataclasses.replace(SIGNALS, signals=signals))
    )
    assert section is not None
    rows = [row for group in section.groups for row in (*group.shown, *group.folded)] + list(section.rare)
    unknown = [
        level for level in drawn if math.isnan(level.raw.with_rate) and math.isnan(level.raw.without_rate)
    ]
    assert len(rows) == len(drawn) - len(unknown)
    for row in rows:
        points = [float(value) for value in re.findall(r'<data value="(.*?)">', row.difference)]
        value, low, high = points
        assert (row.direction == "more") == (low > 0)
        assert (row.direction == "less") == (high < 0)
        said = plain(row.difference)
        positive = said.startswith(("+", "under"))
        if row.direction == "more":
            assert positive
            assert "−" not in said
        if row.direction == "less":
            assert not positive
        assert positive == (value > 0) or said.startswith("about 0 points")
    for group in section.groups:
        assert all(row.direction != "no_clear_difference" or row.explanation for row in group.shown)


@settings(max_examples=80)
@given(levels())
def test_an_explanation_stands_only_where_the_two_comparisons_differ(level: SignalLevel) -> None:
    text = format_explanation(level)
    if not text:
        return
    assert level.raw.direction != level.direction
    assert f"convert {level.raw.direction} often" in text
    assert ("mostly because" in text) == (level.raw.explained_share >= 0.5)
    assert level.raw.explained_share > 0
