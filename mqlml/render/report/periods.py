"""How good the model was in earlier periods, and whether more history would help."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import Estimate, LearningPoint, OverTimePeriod
from mqlml.render.report.charts import interval_bar, time_chart
from mqlml.render.report.svg import zero_scale
from mqlml.render.report.text import has_interval, mark, mark_count, mark_number, short_date, value_of
from mqlml.texts import format_percent, is_known, pluralize

__all__ = ["LITTLE", "Doubling", "OverTime", "doublings", "more_history", "over_time", "share_name"]


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


def over_time(periods: tuple[OverTimePeriod, ...], zone: str | None) -> OverTime | None:
    """None where no period but the held-out one was measured, so that there is nothing to compare."""
    measured = [row for row in periods if value_of(row.log_loss) is not None]
    if len(measured) < 2:
        return None
    return OverTime(
        sentence=_sentence([row for row in measured if not row.held_out]),
        chart=Markup(time_chart(measured, zone)),
        rows=tuple(_row(row, zone) for row in measured),
    )


def _sentence(past: list[OverTimePeriod]) -> str:
    """In how many of the earlier periods the model's error was smaller than the base rate's, and how surely."""
    gains = [row.gain for row in past if row.gain is not None and is_known(row.gain.value)]
    better = sum(gain.value > 0 for gain in gains)
    surely = sum(gain.low > 0 for gain in gains)
    worse = sum(gain.high < 0 for gain in gains)
    text = (
        f"{pluralize(len(gains), 'earlier period')} could be predicted by a model that knew only what came before. "
        f"In {_of(better, len(gains))} its error was smaller than that of giving everyone the base rate"
    )
    parts = (
        ["by more than chance explains" if surely == better else f"in {surely} by more than chance explains"]
        if surely
        else []
    )
    parts += [f"in {worse} it was larger by more than chance explains"] if worse else []
    return f"{', '.join([text, *parts])}."


def _of(some: int, n: int) -> str:
    """``both``, ``2 of 3``, ``none``: how many of the periods just named."""
    if some == n:
        return {1: "it", 2: "both"}.get(n, f"all {n}")
    return f"{some} of them" if some else "none of them"


def _row(row: OverTimePeriod, zone: str | None) -> _Row:
    since, until = (", ".join(filter(None, short_date(end, zone))) for end in (row.start, row.until))
    return _Row(
        title=f"{since} to {until}",
        held_out=row.held_out,
        n=mark_count(row.n),
        positives=mark_count(row.positives),
        log_loss=_estimate(row.log_loss),
        base_rate=_estimate(row.log_loss_base_rate),
        saved=_estimate(row.gain),
    )


def _estimate(found: Estimate | None) -> Markup:
    value = mark_number(found.value if found else None, 4)
    if found is None or not has_interval(found):
        return value
    ends = (mark_number(end, 4) for end in (found.low, found.high))
    return value + Markup(' <span class="range">{} to {}</span>').format(*ends)


LITTLE = 0.01
"""Of the error: a doubling that saves less than this, by its whole interval, is not worth waiting for."""

_SHARES = {0.125: "an eighth", 0.25: "a quarter", 0.5: "half", 1.0: "all"}


@dataclass(frozen=True)
class Doubling:
    """What learning from twice as much saved, ready to be shown."""

    title: str
    counts: Markup
    saved: Markup
    range: Markup
    bar: Markup


def share_name(share: float) -> str:
    """``half`` for 0.5; a share without a name as a percentage."""
    return _SHARES.get(share) or format_percent(share)


def more_history(curve: tuple[LearningPoint, ...]) -> Markup | None:
    """What to expect of more history, by the interval of what the last doubling saved.

    Returns
    -------
    Markup or None
        None where the last doubling was not measured, so that nothing can be concluded.
    """
    steps = _steps(curve)
    if not steps or steps[-1][1] is not curve[-1]:
        return None
    before, _, saved, share = steps[-1]
    if share.high < LITTLE:
        text = (
            "With {} of the history the model is nearly as good, so more will help little. The rest saved {}."
        )
    elif share.low > 0:
        text = "More history should help: learning from all of it rather than {} saved {}, more than chance explains."
    else:
        text = (
            "It is too early to say whether more history would help: learning from all of it rather than {} saved "
            "{}, which chance alone could explain."
        )
    gain = Markup("{} of the error on later leads ({})").format(
        _percent(saved.value, share.value) if share.value > 0 else "nothing", _range(saved, share)
    )
    return Markup(text).format(share_name(before.share), gain)


def doublings(curve: tuple[LearningPoint, ...]) -> list[Doubling]:
    """What each doubling saved, the first one first, as a share of the error before it; bars on one scale."""
    steps = _steps(curve)
    scale = zero_scale(end for *_, share in steps for end in (share.value, share.low, share.high))
    found = []
    for before, after, saved, share in steps:
        title = f"From {share_name(before.share)} of it to {share_name(after.share)}"
        bar = interval_bar(
            share.value,
            share.low,
            share.high,
            scale=scale,
            tone="bar plain",
            title=f"{title}: the error falls by {format_percent(share.value)}",
        )
        found.append(
            Doubling(
                title=title,
                counts=Markup("{} to {} scored, {} to {} converted").format(
                    mark_count(before.rows),
                    mark_count(after.rows),
                    mark_count(before.positives),
                    mark_count(after.positives),
                ),
                saved=_percent(saved.value, share.value),
                range=_range(saved, share),
                bar=Markup(bar),
            )
        )
    return found


def _steps(curve: tuple[LearningPoint, ...]) -> list[tuple[LearningPoint, LearningPoint, Estimate, Estimate]]:
    """Each point after the one before it, what was saved, and that as a share of the error before."""
    steps = []
    for before, after in itertools.pairwise(curve):
        error = value_of(before.log_loss)
        saved = after.saved
        if error is None or error <= 0 or saved is None or not has_interval(saved):
            continue
        share = Estimate(saved.value / error, saved.low / error, saved.high / error)
        steps.append((before, after, saved, share))
    return steps


def _percent(value: float, share: float) -> Markup:
    """A saving in per cent, with the log loss saved behind it."""
    return mark(value, format_percent(share))


def _range(saved: Estimate, share: Estimate) -> Markup:
    ends = (_percent(saved.low, share.low), _percent(saved.high, share.high))
    return Markup("{} to {}").format(*ends)
