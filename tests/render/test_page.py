"""The page is whole, self-contained, safe, honest about what is missing, and shows the numbers it was given."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_samples import (
    NAN,
    SAMPLES,
    about,
    baseline,
    calibration,
    data_of,
    effect,
    empty,
    flat,
    label,
    leak,
    metrics,
    normal,
    refused,
    steps,
    tiny,
)

from mqlml.errors import BundleError
from mqlml.evaluation import (
    CalibrationBand,
    Decile,
    Disqualification,
    Estimate,
    GateResult,
    Importance,
    OverTimePeriod,
    Question,
    SetAside,
    TrainingResult,
)
from mqlml.render.report.page import render_report
from mqlml.render.report.text import format_leak_test
from mqlml.results import from_json_safe, to_json_safe
from mqlml.texts import format_percent
from mqlml.training import LeftOut, Step

VOID = {"meta", "br", "link", "img", "input", "hr"}
HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"

every_sample = pytest.mark.parametrize("name", SAMPLES)


class Page(HTMLParser):
    """A page read strictly: tags close in order; texts, ids, links and headings are collected."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: Counter[str] = Counter()
        self.references: list[str] = []
        self.outside: list[str] = []
        self.tags: Counter[str] = Counter()
        self.headings: list[int] = []
        self.numbers: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._number: str | None = None
        self.feed(text.replace("<wbr>", ""))  # where a long name may break; not part of it
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        for name, value in attrs:
            value = value or ""
            assert not name.startswith("on"), (tag, name)
            if name == "id":
                self.ids[value] += 1
            elif name in {"aria-labelledby", "aria-describedby", "for"}:
                self.references += value.split()
            elif name == "href" and value.startswith("#"):
                self.references.append(value[1:])
            elif name in {"src", "href", "srcset", "data", "action", "poster", "background"}:
                self.outside.append(value)
        if tag == "data":
            self._number = dict(attrs)["value"]
            self.numbers.append((self._number or "", ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag
        if tag == "data":
            self._number = None

    def handle_data(self, data: str) -> None:
        if "style" in self.open or "script" in self.open:
            return
        self.words.append(data)
        if self._number is not None:
            value, said = self.numbers[-1]
            self.numbers[-1] = (value, said + data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def numbers_in(value: Any) -> set[float]:
    """Every finite number of the data."""
    if isinstance(value, dict):
        return set().union(*map(numbers_in, value.values()), set())
    if isinstance(value, list | tuple):
        return set().union(*map(numbers_in, value), set())
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return {float(value)}
    return set()


@every_sample
def test_the_page_is_well_formed_and_its_links_lead_somewhere(name: str) -> None:
    text = render_report(SAMPLES[name]())
    page = Page(text)
    assert text.lstrip().startswith("<!DOCTYPE html>")
    assert '<html lang="en-US">' in text
    assert {page.tags[tag] for tag in ("h1", "main", "title", "header", "footer", "style")} >= {1}
    assert page.tags["h1"] == page.tags["main"] == page.tags["style"] == 1
    assert max(page.ids.values()) == 1
    assert set(page.references) <= set(page.ids)
    assert page.headings[0] == 1
    steps = list(zip(page.headings, page.headings[1:], strict=False))
    assert all(after - before <= 1 for before, after in steps), page.headings


@every_sample
def test_the_page_asks_for_nothing_from_outside(name: str) -> None:
    text = render_report(SAMPLES[name]())
    page = Page(text)
    assert page.outside == []
    assert page.tags["iframe"] == page.tags["link"] == page.tags["img"] == 0
    assert page.tags["script"] == (2 if SAMPLES[name]().by_lead is not None else 0), (
        "the sliders and their curve, inline"
    )
    without_namespaces = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|//[a-z]|url\(|@import", without_namespaces)


@every_sample
def test_every_chart_is_xml_with_a_title(name: str) -> None:
    charts = re.findall(r"<svg.*?</svg>", render_report(SAMPLES[name]()), flags=re.DOTALL)
    for chart in charts:
        root = ET.fromstring(chart)
        title = root.find("{http://www.w3.org/2000/svg}title")
        assert title is not None
        assert title.text
        assert root.attrib.get("aria-hidden") == "true" or root.attrib["role"] == "img"
    assert len(charts) > 10 or name in {"tiny", "empty"}


def derived(data: TrainingResult) -> set[float]:
    """Numbers that the page makes of given ones: shares of leads."""
    found = set()
    if (by_lead := data.by_lead) is not None:
        found |= {by_lead.base_rate, *(label.leads / by_lead.leads for label in by_lead.labels.values())}
        found |= {point.leads / (by_lead.weeks or 1) for point in by_lead.curve}
    if (signals := data.signals) is not None:
        found.add(signals.converted / signals.leads)
    return found


@every_sample
def test_every_number_shown_is_one_that_was_given(name: str) -> None:
    data = SAMPLES[name]()
    given_numbers = numbers_in(to_json_safe(data))
    given_numbers.add(float(sum(row.rows for row in data.data.quarantine)))
    given_numbers.add(data.holdout.base_rate)
    given_numbers |= derived(data)
    for value, said in Page(render_report(data)).numbers:
        assert float(value) in given_numbers, (value, said)
        assert said.strip()


def test_the_numbers_that_matter_are_all_shown() -> None:
    data = normal()
    shown = {float(value) for value, _ in Page(render_report(data)).numbers}
    stored = to_json_safe(data)
    parts: list[Any] = [stored[part] for part in ("deciles", "holdout")]
    parts += [stored["calibration"]["bands"], [rule for rule in stored["disqualified"] if rule["converted"]]]
    parts += [step["leads"] for step in stored["population"]["waterfall"]]
    parts += [table["rows"] for table in stored["data"]["tables"].values()]
    parts += [rule["rows"] for rule in stored["data"]["quarantine"]]
    parts += [row["drop"] for row in stored["importance"]["families"]]
    for level in (level for found in stored["signals"]["signals"] for level in found["levels"]):
        parts += [level[what] for what in ("leads", "reach", "like_leads")]
        parts += [level["raw"][what] for what in ("with_rate", "without_rate")]
    parts += [group["roc_auc"] for group in stored["by_age"].values()]
    parts += [found[what] for found in stored["labels"].values() for what in ("threshold", "per_week")]
    for found in stored["by_lead"]["labels"].values():
        parts += [found[what] for what in ("leads", "converted", "precision", "points_converted")]
        parts.append(found["recall"]["value"])
    wanted = numbers_in(parts) - {float(row.decile) for row in data.deciles}
    wanted -= {0.0}  # settings that opened the period before: none
    assert wanted <= shown


def test_numbers_read_as_people_write_them() -> None:
    text = Page(render_report(normal())).text
    for said in (
        "207,917 rows read",
        "March 14, 2018 to May 31, 2018",
        "16 rows were set aside",
        "21.2%",
        "31%",
        "2,160 fewer",
        "125 leads as SQL",
        "no clear effect",
        "got in the way",
        "no individual leads",
        "47 weaker ones are left out",
    ):
        assert said in text, said
    shown = dict(Page(render_report(normal())).numbers)
    assert shown["0.3094"] == "31%"
    assert shown["0.0512"] == "20.8%"  # of the log loss, 0.2461
    assert shown["47.6"] == "48"
    assert shown["42.1"] == "42"
    assert shown["0.0669"] == "0.0669"
    assert "nan" not in text.lower().split()
    assert "None" not in text.split()


def texts_in(value: Any) -> set[str]:
    """Every text of the data, names of tables included."""
    if isinstance(value, dict):
        return set().union(*map(texts_in, value.values()), set())
    if isinstance(value, list | tuple):
        return set().union(*map(texts_in, value), set())
    return {value} if isinstance(value, str) else set()


@pytest.mark.parametrize("name", ["normal", "refused", "flat"])
def test_every_word_that_was_given_is_shown(name: str) -> None:
    data = SAMPLES[name]()
    stored = to_json_safe(data)
    text = Page(render_report(data, version="7", run_id="4f1c0a5b")).text
    parts = ("population", "data", "gate", "labels", "leaks", "left_out", "disqualified")
    known = {"column", "action", data.data.observed_until} | {step.rule for step in data.population.waterfall}
    wanted = (texts_in([stored[part] for part in parts]) - known) | set(stored["data"]["tables"])
    wanted |= {format_leak_test(data.leak_test), data.model, "4f1c0a5b", data.question.sentence}
    assert {words for words in wanted if words not in text} == set()


def test_the_tables_behind_the_charts_hold_the_same_numbers() -> None:
    data = normal()
    tables = re.findall(r'<table class="tight">.*?</table>', render_report(data), flags=re.DOTALL)
    shown = [
        [
            re.findall(r'<data value="(.*?)">', row)
            for row in re.findall(r"<tr>.*?</tr>", table, flags=re.DOTALL)[1:]
        ]
        for table in tables
    ]
    deciles, bands = shown[1], shown[2]  # after the grid of fit and engagement
    assert bands == [
        [
            repr(value)
            for value in (
                band.mean_predicted,
                band.observed.value,
                band.observed.low,
                band.observed.high,
                band.n,
            )
        ]
        for band in data.calibration.bands
    ]
    assert deciles == [
        [repr(value) for value in (row.n, row.positives, row.rate, row.cumulative_share, row.lift)]
        for row in data.deciles
    ]


def test_hostile_words_stay_words() -> None:
    data = dataclasses.replace(
        normal(),
        model=HOSTILE,
        mqlml_version=HOSTILE,
        question=Question(HOSTILE, HOSTILE, HOSTILE, repeated=False),
        data=data_of({HOSTILE: 3}, SetAside(HOSTILE, HOSTILE, HOSTILE, 2), observed_until=None),
        population=steps((HOSTILE, 3)),
        holdout=dataclasses.replace(normal().holdout, start=HOSTILE, until=HOSTILE, n=100, positives=8),
        gate=GateResult(True, (HOSTILE,), (HOSTILE,)),
        importance=Importance(
            (effect(HOSTILE, HOSTILE, HOSTILE, 0.1, 0.05, 0.2),) * 2,
            (effect(HOSTILE, HOSTILE, HOSTILE, 0.1),),
            n=3,
        ),
        labels={HOSTILE: label(0.2, HOSTILE, 10, about(0.3), about(0.4), about(2.0))},
        leaks=(leak(HOSTILE, HOSTILE),),
        baselines={HOSTILE: baseline(metrics(roc_auc=about(0.6)), about(0.0))},
        left_out=(LeftOut(HOSTILE, HOSTILE),),
        by_lead=None,
        disqualified=(Disqualification(HOSTILE, 1, 0),),
        over_time=(
            OverTimePeriod(
                80, 7, about(0.2), about(0.3), about(0.1), start=HOSTILE, until=HOSTILE, held_out=False
            ),
        )
        * 2,
        fit_by_engagement=(),
    )
    text = render_report(data, version=HOSTILE, run_id=HOSTILE)
    page = Page(text)
    assert page.tags["script"] == 0
    assert "<script" not in text
    assert page.text.count("alert(1)") > 20
    assert "49" not in page.text
    for chart in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL):
        ET.fromstring(chart)


def test_a_refused_version_says_so_in_the_headline_and_why() -> None:
    data = refused()
    text = render_report(data)
    page = Page(text)
    assert re.search(r"<h1[^>]*>This version was refused. Please do not use it to label leads\.</h1>", text)
    assert all(reason in page.text for reason in data.gate.reasons)
    assert "for the record only" in page.text
    assert "Out of 100" not in page.text
    assert "got in the way" not in page.text
    assert page.text.count("no clear effect") == 10 + 1  # two families, eight features, and the explanation


def test_a_flat_table_has_no_weeks_and_no_ages() -> None:
    text = Page(render_report(flat())).text
    assert "Leads a week are not known, because the data has no dates" in text
    assert "How early can it tell?" not in text
    assert "looks at" not in text.replace("“looks at”", "")
    assert "623,118 to 660,737" in text
    assert "Tags" in text
    shown = dict(Page(render_report(flat())).numbers)
    assert shown["0.121"] == "12.1"  # pairs in 100: the metric of its importance is the ROC AUC
    assert "how much worse mqlml ranks later leads" in text


def test_what_is_missing_is_said_gently() -> None:
    text = Page(render_report(empty())).text
    for said in (
        "not measured on later leads",
        "Not known yet",
        "There is no calibration chart",
        "What converting leads have in common could not be measured",
        "No thresholds were chosen",
        "The ranking was not measured",
        "The steps from all leads to those scored were not recorded",
        "No measures were recorded",
        "Every row that was read could be used",
        "not registered",
    ):
        assert said in text, said


_PARTS = [
    *("data", "population", "left_out", "leaks", "leak_test", "holdout", "by_age", "over_time"),
    *("fit_by_engagement", "learning_curve", "calibration", "deciles", "importance", "baselines"),
    *("labels", "by_lead", "signals", "promoted", "disqualified"),
]


@pytest.mark.parametrize("part", _PARTS)
@pytest.mark.parametrize("name", ["normal", "refused", "tiny"])
def test_any_part_may_be_missing(part: str, name: str) -> None:
    data = SAMPLES[name]()
    without = dataclasses.replace(data, **{part: getattr(empty(), part)})
    Page(render_report(without))


def from_storage(stored: object) -> TrainingResult:
    return from_json_safe(TrainingResult, stored, where="the stored result")


rates = st.one_of(st.just(math.nan), st.just(math.inf), st.floats(0, 1))
estimates = st.builds(Estimate, rates, rates, rates)
measured = st.one_of(st.none(), estimates)
counts = st.integers(0, 10**12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_numbers_break_the_page(draw: st.DataObject) -> None:
    base = normal()
    names = ("roc_auc", "average_precision", "log_loss", "brier", "ece", "lift_top_decile")
    found = dataclasses.replace(
        base.holdout,
        **{name: draw.draw(estimates, name) for name in names},
        brier_base_rate=draw.draw(rates),
        n=draw.draw(counts),
        positives=draw.draw(counts),
    )
    effects = st.lists(
        st.builds(effect, st.text(), st.sampled_from(["actions", "else"]), st.text(), rates, rates, rates),
        max_size=20,
    )
    labels = st.dictionaries(
        st.sampled_from(["mql", "sql"]),
        st.builds(label, rates, st.text(), counts, measured, measured, measured),
    )
    bands = st.lists(st.builds(CalibrationBand, rates, estimates, counts), max_size=5)
    deciles = st.lists(
        st.builds(Decile, st.integers(1, 10), counts, counts, rates, rates, rates), max_size=10
    )
    waterfall = st.lists(st.builds(Step, st.text(), counts, counts), max_size=5)
    data = dataclasses.replace(
        base,
        baselines={"logistic": dataclasses.replace(base.baselines["logistic"], roc_auc=found.roc_auc)},
        holdout=found,
        importance=Importance(tuple(draw.draw(effects)), tuple(draw.draw(effects)), n=1),
        calibration=calibration(*draw.draw(bands)),
        deciles=tuple(draw.draw(deciles)),
        labels=draw.draw(labels),
        population=dataclasses.replace(base.population, waterfall=tuple(draw.draw(waterfall))),
    )
    text = render_report(data)
    Page(text)
    for chart in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL):
        assert not re.search(r'"-?(nan|inf)"', chart)


@every_sample
def test_the_same_data_gives_the_same_page_also_after_storage(name: str) -> None:
    data = SAMPLES[name]()
    stored = from_storage(json.loads(json.dumps(to_json_safe(data), allow_nan=False)))
    assert render_report(stored) == render_report(data) == render_report(SAMPLES[name]())


@every_sample
def test_a_result_comes_back_from_storage_as_it_was(name: str) -> None:
    data = SAMPLES[name]()
    assert from_storage(json.loads(json.dumps(to_json_safe(data)))) == data


def test_numbers_that_were_not_measured_are_null_and_come_back_as_nan() -> None:
    stored = to_json_safe(tiny())
    assert stored["labels"]["mql"]["precision"] == {"value": 1.0, "low": None, "high": None}
    assert stored["labels"]["sql"]["precision"] is None
    back = from_storage(stored)
    assert back.labels["mql"].precision == Estimate(1.0, NAN, NAN)
    assert math.isnan(back.holdout.log_loss.value)


def test_what_is_stored_has_the_keys_of_the_interface() -> None:
    stored = to_json_safe(normal())
    assert (stored["holdout"]["from"], stored["holdout"]["until"]) == ("2018-03-14", "2018-05-31")
    assert stored["over_time"][0]["from"] == "2017-09-04T05:11:00Z"
    assert set(stored["holdout"]["ece"]) == {"value", "low", "high"}
    assert stored["baselines"]["logistic"]["verdict"] == "better"


def test_stored_data_that_does_not_fit_is_refused_with_its_place() -> None:
    stored = to_json_safe(normal())
    stored["holdout"]["n"] = "many"
    with pytest.raises(BundleError, match=r"does not fit this release at 'holdout\.n'.*train a new version"):
        from_storage(stored)


def test_keys_of_a_later_release_are_passed_over() -> None:
    assert from_storage({**to_json_safe(normal()), "personas": []}) == normal()


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_enough_contrast(scheme: str) -> None:
    css = (files("mqlml.render.report") / "page.css").read_text(encoding="utf-8")
    block = css.split("@media screen and (prefers-color-scheme: dark)")[scheme == "dark"]
    colours: dict[str, str] = {}
    for name, value in re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block):
        colours.setdefault(name, value)
    for text in ("ink", "soft", "accent", "good", "care", "bad"):
        assert _contrast(colours[text], colours["paper"]) >= 4.5, text
    for text in ("ink", "soft"):
        assert _contrast(colours[text], colours["panel"]) >= 4.5, text
    for part in ("accent", "middle", "pale"):
        assert _contrast(colours[f"on-{part}"], colours[part]) >= 4.5, part
    for mark in ("accent", "middle", "profile", "channel", "actions", "undesirables", "other"):
        assert _contrast(colours[mark], colours["paper"]) >= 3, mark


def test_a_share_in_the_headline_is_the_precision_of_the_highest_label() -> None:
    data = normal()
    head = re.search(r"<h1>(.*?)</h1>", render_report(data), flags=re.DOTALL)
    assert head is not None
    numbers = dict(Page(head[1]).numbers)
    assert data.by_lead is not None
    precision = data.by_lead.labels["sql"].precision
    assert set(numbers) == {repr(precision.value), repr(data.by_lead.base_rate)}
    assert format_percent(precision.value).startswith("31")
