"""The page: a `ReportData` goes in, one self-contained HTML document comes out, without script or outside request."""

from __future__ import annotations

import functools

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mqlml.report import history, marked, parts, story, words
from mqlml.report.charts import calibration_chart, decile_chart, dot_grid
from mqlml.report.data import Importance, ReportData
from mqlml.report.inside import slice_groups
from mqlml.report.over_time import over_time
from mqlml.report.placements import placement_grid
from mqlml.report.trust import verdict

__all__ = ["render_report"]

SHOWN_FEATURES = 12
SHOWN_GROUPS = 8


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mqlml.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=marked.percent,
        count=marked.count,
        decimal=marked.decimal,
        interval=marked.interval,
        date=words.date,
        label_name=words.label_name,
    )
    return environment


def render_report(data: ReportData) -> str:
    """The report as HTML text.

    Parameters
    ----------
    data : ReportData
        Aggregates of one version; missing parts are said to be missing.

    Returns
    -------
    str
        A whole document in UTF-8 with its style and charts inside; the same data gives the same text.
    """
    head = story.headline(data)
    dots = []
    if head.called and head.total <= 1000:
        for key, title, filled in (
            ("picked", head.called, head.picked),
            ("random", "at random", head.random),
        ):
            name = f"{words.count(head.total)} leads {title}"
            chart = dot_grid(
                min(filled, head.total), head.total, title=f"{name}: {filled} convert", key=f"dots-{key}"
            )
            dots.append({"name": name, "filled": filled, "chart": Markup(chart), "key": key})
    features = parts.effect_rows(data, "features")
    head_of_drops, drops = parts.drop_words(data.importance or Importance())
    shown = len(features) if len(features) <= SHOWN_FEATURES + 3 else SHOWN_FEATURES
    heads, metric_rows = parts.metric_rows(data)
    quarantined = sum(row.n for row in data.data.quarantined) if data.data else 0
    return (
        _environment()
        .get_template("page.html")
        .render(
            data=data,
            head=head,
            dots=dots,
            verdict=verdict(data),
            unit=story.unit(data),
            families=parts.effect_rows(data, "families"),
            groups=[row for row in parts.effect_rows(data, "groups") if row.kind == "helps"][:SHOWN_GROUPS],
            slices=slice_groups(data),
            features=features[:shown],
            more_features=features[shown:],
            drop_words=head_of_drops,
            drops=drops,
            calibration=Markup(calibration_chart(data.calibration)),
            deciles=Markup(decile_chart(data.deciles, data.holdout.base_rate if data.holdout else None)),
            caught=[said for tenths in (1, 2, 3) if (said := story.caught_by_top(data, tenths)) is not None],
            cards=parts.label_cards(data),
            strips=parts.strips(data),
            caught_by_label=story.caught_by_label(data),
            tones=[
                ("unqualified", parts.no_label(data)),
                *zip(
                    parts.label_tones(data.labels),
                    (words.label_name(label.name) for label in data.labels),
                    strict=True,
                ),
            ][::-1],
            ages=parts.age_rows(data.by_age),
            more_history=history.more_history(data.learning_curve),
            doublings=history.doublings(data.learning_curve),
            over_time=over_time(data.periods),
            grid=placement_grid(data.placements),
            waterfall=parts.waterfall(data.population),
            quarantined=quarantined,
            metric_heads=heads,
            metric_rows=metric_rows,
            confidence=words.percent(data.confidence),
        )
    )
