"""The rows of the page: what they say, how they are coloured, and what is drawn for them."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from typing import Literal

import pytest
from report_samples import about, effect, flat, metrics, normal, refused, tiny

from mqlml.evaluation import Importance, Metrics, TrainingResult
from mqlml.render.report.parts import (
    EffectRow,
    age_rows,
    drop_texts,
    effect_rows,
    metric_rows,
    waterfall,
)
from mqlml.training import Step

SVG = "{http://www.w3.org/2000/svg}"


def effects(result: TrainingResult, of: Literal["families", "features"]) -> list[EffectRow]:
    assert result.importance is not None
    return effect_rows(result.importance, result.holdout, of)


def bar(svg: str) -> ET.Element:
    found = ET.fromstring(svg).find(f"{SVG}rect")
    assert found is not None
    return found


def test_the_strongest_clear_effect_comes_first_and_unclear_ones_last() -> None:
    rows = effects(normal(), "features")
    kinds = [row.kind for row in rows]
    assert rows[0].detail == "actions__demo_request__count__30d"
    assert kinds == sorted(kinds, key=lambda kind: kind != "helps")
    assert kinds.count("helps") == 9
    assert kinds.count("hurts") == 1


def test_a_bar_has_the_colour_of_its_family_only_where_the_effect_is_clear() -> None:
    tones = {row.title: bar(row.bar).attrib["class"] for row in effects(normal(), "families")}
    assert tones == {
        "Actions": "bar actions",
        "Profile": "bar profile",
        "Channel": "bar channel",
        "Undesirables": "bar none undesirables",
    }


def test_bars_of_one_list_share_a_scale() -> None:
    actions, profile, *_ = (float(bar(row.bar).attrib["width"]) for row in effects(normal(), "families"))
    assert actions / profile == pytest.approx(0.1183 / 0.0571, rel=0.01)


def test_a_family_nobody_knows_still_gets_its_row() -> None:
    data = dataclasses.replace(
        normal(), importance=Importance((effect("fit_score", "fit_score", "?", 0.1),), (), n=1)
    )
    (row,) = effects(data, "families")
    assert (row.title, row.tone, row.kind) == ("fit_score", "other", "unknown")


def test_a_feature_named_like_its_sentence_or_its_family_is_shown_once() -> None:
    profile = effect("profile", "profile", "profile", 0.1, 0.05, 0.2)
    data = dataclasses.replace(normal(), importance=Importance((), (profile,), n=1))
    (row,) = effects(data, "features")
    assert (row.title, row.detail) == ("profile", "")


@pytest.mark.parametrize(
    ("metric", "measured", "said", "head"),
    [
        ("roc_auc", metrics(), "5.0", "extra pairs in 100 in the wrong order without it"),
        ("log_loss", metrics(log_loss=about(0.25)), "20.0%", "how much worse predictions get without it"),
        ("log_loss", metrics(), "0.0500", "how much worse predictions get without it"),
        ("brier", metrics(brier=about(0.1)), "50.0%", "how much worse predictions get without it"),
        ("average_precision", metrics(), "0.0500", "average precision lost without it"),
    ],
    ids=[
        "pairs",
        "share of the log loss",
        "log loss not measured",
        "share of the brier score",
        "average precision",
    ],
)
def test_an_effect_is_shown_in_the_unit_of_its_metric(
    metric: Literal["roc_auc", "log_loss", "brier", "average_precision"],
    measured: Metrics,
    said: str,
    head: str,
) -> None:
    importance = Importance((), (effect("f", "actions", "F", 0.05),), 1, metric)
    (row,) = effect_rows(importance, measured, "features")
    assert row.number == f'<data value="0.05">{said}</data>'
    assert drop_texts(importance)[0].lower() == head


def test_age_bars_start_at_a_coin() -> None:
    rows = age_rows(normal().by_age)
    starts = {bar(row.bar).attrib["x"] for row in rows}
    assert starts == {"16.67"}  # 50% on a scale from 40% to 100%
    assert [row.title for row in rows] == [
        "When the lead came in",
        "7 days after the lead came in",
        "30 days after the lead came in",
    ]


def test_the_waterfall_says_how_many_fewer_but_not_how_many_more() -> None:
    rows = waterfall(
        (Step("snapshots", "leads", 10, 10), Step("age", "aged", 30, 12), Step("open", "open", 18, 9))
    )
    assert [(row.leads, row.gone) for row in rows] == [(10, ""), (12, ""), (9, "3")]
    assert waterfall(()) == []


def test_measures_stand_beside_the_baselines_that_were_run() -> None:
    heads, rows = metric_rows(normal())
    assert heads == ["mqlml", "Points rule", "Logistic regression", "Base rate"]
    brier = next(row for row in rows if row.title == "Brier score")
    assert [re.sub("<.*?>", "", cell) for cell in brier.cells] == [
        "0.0669 0.0611 to 0.0732",
        "–",
        "0.0701",
        "0.0771",
    ]
    assert metric_rows(flat())[0] == ["mqlml", "Logistic regression"]
    assert [row.title for row in metric_rows(tiny())[1]] == ["ROC AUC", "Brier score"]
    assert len(metric_rows(refused())[1]) == 6
