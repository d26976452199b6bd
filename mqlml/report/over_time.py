"""Whether the model was as good before: periods go in; a sentence, a chart and the rows of its table come out."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import Estimate, OverTimePeriod
from mqlml.report import marked, words
from mqlml.report.charts import time_chart

__all__ = ["OverTime", "over_time"]


@dataclass(frozen=True)
class _Row:
    """One period, ready to be shown."""

    title: str
    held_out: bool
    n: Markup
    positives: Markup
    log_loss: Markup
    base_rate: Markup
    saved: Markup


@dataclass(frozen=True)
class OverTime:
    """The periods in a sentence, a chart and a table."""

    sentence: str
    chart: Markup
    rows: tuple[_Row, ...]


def over_time(periods: tuple[OverTimePeriod, ...]) -> OverTime | None:
    """None where no period but the held-out one was measured, so that there is nothing to compare."""
    measured = [row for row in periods if marked.value_of(row.log_loss) is not None]
    if len(measured) < 2:
        return None
    return OverTime(
        sentence=_sentence([row for row in measured if not row.held_out]),
        chart=Markup(time_chart(measured)),
        rows=tuple(_row(row) for row in measured),
    )


def _sentence(past: list[OverTimePeriod]) -> str:
    """In how many of the earlier periods the model's error was smaller than the base rate's, and how surely."""
    gains = [row.gain for row in past if row.gain is not None and words.finite(row.gain.value)]
    better = sum(gain.value > 0 for gain in gains)
    surely = sum(gain.low > 0 for gain in gains)
    worse = sum(gain.high < 0 for gain in gains)
    said = (
        f"{words.plural(len(gains), 'earlier period')} can be judged by a model that knew only what came before. In "
        f"{_of(better, len(gains))} its error was smaller than that of quoting the base rate to everyone"
    )
    parts = ["beyond chance" if surely == better else f"in {surely} beyond chance"] if surely else []
    parts += [f"in {worse} it was larger beyond chance"] if worse else []
    return f"{', '.join([said, *parts])}."


def _of(some: int, n: int) -> str:
    """``both``, ``2 of 3``, ``none``: how many of the periods just named."""
    if some == n:
        return {1: "it", 2: "both"}.get(n, f"all {n}")
    return f"{some} of them" if some else "none of them"


def _row(row: OverTimePeriod) -> _Row:
    since, until = (" ".join(words.short_date(end)).strip() for end in (row.start, row.until))
    return _Row(
        title=f"{since} to {until}",
        held_out=row.held_out,
        n=marked.count(row.n),
        positives=marked.count(row.positives),
        log_loss=_estimate(row.log_loss),
        base_rate=_estimate(row.log_loss_base_rate),
        saved=_estimate(row.gain),
    )


def _estimate(found: Estimate | None) -> Markup:
    value = marked.decimal(found.value if found else None, 4)
    if found is None or not marked.between(found):
        return value
    ends = (marked.decimal(end, 4) for end in (found.low, found.high))
    return value + Markup(' <span class="range">{} to {}</span>').format(*ends)
