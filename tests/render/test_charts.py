"""Charts stay inside their frame and keep their order, whatever numbers they are given."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqlml.evaluation import CalibrationBand, Decile, Estimate, OverTimePeriod
from mqlml.render.report.charts import (
    Segment,
    calibration_chart,
    decile_chart,
    dot_grid,
    interval_bar,
    share_strip,
    time_chart,
)
from mqlml.render.report.svg import Scale, nice_ticks, zero_scale

unhurried = settings(deadline=None, max_examples=60)  # the machine may be busy
SVG = "{http://www.w3.org/2000/svg}"

rates = st.one_of(
    st.sampled_from([0.0, 1.0, 1e-300, 5e-324, 1e-9, 1 - 1e-12, math.nan, math.inf, -math.inf]),
    st.floats(0, 1),
)
any_number = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))
finite_number = st.floats(allow_nan=False, allow_infinity=False)


def inside(svg: str) -> ET.Element:
    """The parsed chart, after checking that every mark lies inside the viewBox."""
    root = ET.fromstring(svg)
    _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
    across = {"x", "x1", "x2", "cx"}
    for mark in root.iter():
        for name, text in mark.attrib.items():
            if name not in {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height"}:
                continue
            value = float(text)
            assert math.isfinite(value)
            assert -0.01 <= value <= (width if name in across | {"width"} else height) + 0.01, (
                name,
                text,
                svg,
            )
        if mark.tag == f"{SVG}rect":
            assert float(mark.attrib["x"]) + float(mark.attrib["width"]) <= width + 0.02
            assert float(mark.attrib["y"]) + float(mark.attrib["height"]) <= height + 0.02
    return root


def described(root: ET.Element) -> None:
    """A chart with words has a title and a description that its ``aria-labelledby`` points at."""
    names = root.attrib["aria-labelledby"].split()
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert [title.attrib["id"], desc.attrib["id"]] == names
    assert title.text
    assert desc.text
    assert root.attrib["role"] == "img"


@unhurried
@given(finite_number, finite_number, finite_number, finite_number)
def test_a_scale_is_monotone_and_stays_between_its_ends(
    one: float, other: float, value: float, further: float
) -> None:
    scale = Scale(min(one, other), max(one, other), 10, 90)
    first, second = scale(min(value, further)), scale(max(value, further))
    assert 10 <= first <= second <= 90


def test_a_scale_maps_its_ends_to_the_ends_and_halves_to_the_middle() -> None:
    scale = Scale(-1, 3, 0, 100)
    assert [scale(-1), scale(1), scale(3), scale(99)] == [0, 50, 100, 100]


@unhurried
@given(st.lists(any_number, max_size=8))
def test_a_zero_scale_holds_zero_and_every_number(values: list[float | None]) -> None:
    scale = zero_scale(values)
    assert scale.low <= 0 <= scale.high
    assert all(
        scale.low <= value <= scale.high for value in values if value is not None and math.isfinite(value)
    )


@unhurried
@given(st.floats(0, 1e6))
def test_ticks_start_at_zero_rise_evenly_and_reach_the_top(top: float) -> None:
    ticks = nice_ticks(top)
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    assert ticks[0] == 0
    assert ticks[-1] >= top * (1 - 1e-6)
    assert all(step == pytest.approx(steps[0], rel=1e-3) and step > 0 for step in steps)
    assert len(ticks) <= 7


@pytest.mark.parametrize(
    ("top", "expected"),
    [(1.0, [0, 0.25, 0.5, 0.75, 1.0]), (0.31, [0, 0.1, 0.2, 0.3, 0.4]), (0.04, [0, 0.01, 0.02, 0.03, 0.04])],
    ids=["whole", "between", "small"],
)
def test_ticks_are_round(top: float, expected: list[float]) -> None:
    assert nice_ticks(top) == pytest.approx(expected)


estimates = st.builds(Estimate, rates, rates, rates)
measured = st.one_of(st.none(), estimates)


@unhurried
@given(
    st.lists(
        st.builds(
            OverTimePeriod,
            st.integers(0, 10**9),
            st.integers(0, 10**9),
            measured,
            measured,
            measured,
            st.sampled_from(["2018-01-01T00:00:00Z", "2018-01-01", "2018-05-31T22:00:00Z"]),
            st.just("2018-02-01"),
            st.booleans(),
        ),
        max_size=8,
    ),
    st.one_of(st.none(), st.just("Asia/Tokyo")),
)
def test_time_chart_stays_inside(periods: list[OverTimePeriod], zone: str | None) -> None:
    described(inside(time_chart(periods, zone)))


def test_a_time_chart_says_in_words_what_it_shows_and_marks_what_was_held_out() -> None:
    periods = [
        OverTimePeriod(
            90,
            9,
            Estimate(0.25, 0.2, 0.3),
            Estimate(0.5, math.nan, math.nan),
            None,
            "2017-11-04T00:00:00Z",
            "2018-01-02T00:00:00Z",
            held_out=False,
        ),
        OverTimePeriod(
            90,
            9,
            Estimate(0.5, math.nan, math.nan),
            None,
            None,
            "2018-03-14T00:00:00Z",
            "2018-05-31T00:00:00Z",
            held_out=True,
        ),
    ]
    root = inside(time_chart(periods, "UTC"))
    desc = root.find(f"{SVG}desc")
    assert desc is not None
    assert desc.text is not None
    assert desc.text.endswith(
        "by period: from Nov 4, 2017: 0.250 against 0.500; held out, from Mar 14, 2018: 0.500 against not measured."
    )
    dots = [
        mark for mark in root.iter() if "model-mark" in mark.attrib.get("class", "") and "cy" in mark.attrib
    ]
    squares = [mark for mark in root.iter() if "base-mark" in mark.attrib.get("class", "")]
    ground = [mark for mark in root.iter() if mark.attrib.get("class") == "ground"]
    assert [float(dot.attrib["cy"]) for dot in dots] == sorted(
        (float(dot.attrib["cy"]) for dot in dots), reverse=True
    )  # the larger error is drawn higher up
    assert len(squares) == len(ground) == 1
    left = float(ground[0].attrib["x"])
    assert float(dots[0].attrib["cx"]) < left < float(dots[1].attrib["cx"])
    assert float(squares[0].attrib["y"]) + 4 == pytest.approx(float(dots[1].attrib["cy"]))  # both 0.5
    text = [mark.text for mark in root.iter(f"{SVG}text")]
    assert "held out" in text
    assert [word for word in text if word in {"2017", "2018"}] == ["2017", "2018"]


@unhurried
@given(st.lists(st.builds(CalibrationBand, rates, estimates, st.integers(0, 10**9)), max_size=12))
def test_calibration_chart_stays_inside(rows: list[CalibrationBand]) -> None:
    described(inside(calibration_chart(rows)))


def test_calibration_dots_stand_where_their_numbers_say() -> None:
    rows = [
        CalibrationBand(0.1, Estimate(0.2, 0.15, 0.25), 10),
        CalibrationBand(0.3, Estimate(0.4, 0.35, 0.4), 10),
    ]
    root = inside(calibration_chart(rows))
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in root.iter(f"{SVG}circle")]
    # The axes run 0 to 40%, across from 44 to 340 and up from 292 to 30.
    assert dots == [(118.0, 161.0), (266.0, 30.0)]
    whiskers = [line.attrib for line in root.iter(f"{SVG}line") if line.attrib["class"] == "whisker"]
    assert [(float(ends["y1"]), float(ends["y2"])) for ends in whiskers] == [(193.75, 128.25), (62.75, 30.0)]
    assert "forecast 10%, actual 20%" in (root.find(f"{SVG}desc").text or "")  # type: ignore[union-attr]


@unhurried
@given(
    st.lists(st.builds(Decile, st.integers(1, 10), st.just(1), st.just(1), rates, rates, rates), max_size=14),
    rates,
)
def test_decile_chart_stays_inside(rows: list[Decile], base: float) -> None:
    described(inside(decile_chart(rows, base)))


def test_decile_columns_are_as_high_as_their_rates() -> None:
    rows = [Decile(1, 10, 4, 0.4, 0.5, 2.0), Decile(2, 10, 1, 0.1, 1.0, 0.5)]
    root = inside(decile_chart(rows, 0.2))
    heights = [float(bar.attrib["height"]) for bar in root.iter(f"{SVG}rect")]
    assert heights[0] / heights[1] == pytest.approx(4, rel=1e-3)
    guide = next(line for line in root.iter(f"{SVG}line") if line.attrib["class"] == "guide")
    assert 204 - float(guide.attrib["y1"]) == pytest.approx(heights[0] / 2)


def test_the_base_rate_is_named_above_every_number() -> None:
    """Beside its line the text would cover the number of a late group that converts as often."""
    rows = [Decile(n, 100, 10, 0.12 if n == 8 else 0.02, 0.1, 1.0) for n in range(1, 11)]
    texts = inside(decile_chart(rows, 0.12)).iter(f"{SVG}text")
    heights = {text.text or "": float(text.attrib["y"]) for text in texts}
    letters = 12  # higher than a line of text
    assert heights["at random: 12%"] + letters < heights["12"] < heights["2.0"]


@unhurried
@given(st.lists(st.tuples(any_number, any_number, any_number), min_size=1, max_size=5))
def test_interval_bars_on_one_scale_stay_inside(
    rows: list[tuple[float | None, float | None, float | None]],
) -> None:
    scale = zero_scale(value for row in rows for value in row)
    for value, low, high in rows:
        root = inside(interval_bar(value, low, high, scale=scale, tone="bar", title="t"))
        assert root.attrib["aria-hidden"] == "true"


@unhurried
@given(st.lists(st.floats(0, 1e300), min_size=2, max_size=6))
def test_a_longer_bar_means_a_larger_number(values: list[float]) -> None:
    scale = zero_scale(values)
    widths = []
    for value in sorted(values):
        bar = inside(interval_bar(value, None, None, scale=scale, tone="bar", title="t")).find(f"{SVG}rect")
        assert bar is not None
        widths.append(float(bar.attrib["width"]))
    assert widths == sorted(widths)
    assert widths[-1] == (100 if max(values) > 0 else 0)


def test_a_negative_effect_goes_left_of_zero() -> None:
    bar = inside(interval_bar(-1.0, None, None, scale=Scale(-2, 2, 0, 100), tone="bar", title="t")).find(
        f"{SVG}rect"
    )
    assert bar is not None
    assert (bar.attrib["x"], bar.attrib["width"]) == ("25", "25")


@unhurried
@given(
    st.lists(
        st.builds(Segment, st.one_of(st.floats(0, 1), st.just(math.nan)), st.just("mql"), st.just("MQL"))
    )
)
def test_share_strip_stays_inside(segments: list[Segment]) -> None:
    described(inside(share_strip(segments, title="All", key="k")))


def test_share_strip_cuts_the_whole_in_proportion() -> None:
    root = inside(
        share_strip([Segment(0.25, "sql", "SQL"), Segment(0.75, "mql", "MQL")], title="All", key="k")
    )
    assert [(bar.attrib["x"], bar.attrib["width"]) for bar in root.iter(f"{SVG}rect")] == [
        ("0", "90"),
        ("90", "270"),
    ]


@pytest.mark.parametrize(("filled", "total"), [(0, 100), (31, 100), (100, 100), (7, 1000)])
def test_dot_grid_fills_as_many_dots_as_it_says(filled: int, total: int) -> None:
    root = inside(dot_grid(filled, total, title="t", key="k"))
    described(root)
    kinds = [dot.attrib["class"] for dot in root.iter(f"{SVG}circle")]
    assert (kinds.count("dot on"), len(kinds)) == (filled, total)


def test_words_in_charts_are_escaped() -> None:
    hostile = '<script>"&'
    for svg in (
        dot_grid(1, 100, title=hostile, key="k"),
        share_strip([Segment(0.5, "mql", hostile)], title=hostile, key="k"),
        interval_bar(1.0, 0.0, 2.0, scale=Scale(0, 2, 0, 100), tone="bar", title=hostile),
    ):
        assert "<script" not in svg
        assert hostile in (inside(svg).find(f"{SVG}title").text or "")  # type: ignore[union-attr]
