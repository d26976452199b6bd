"""Console text of ``mqlml explain`` and ``mqlml backtest``."""

from __future__ import annotations

from collections.abc import Sequence

from mqlml.evaluation.ageing import Ageing
from mqlml.evaluation.periods import PeriodEvaluation
from mqlml.insight import PointsPercentile
from mqlml.model.reasons import NOTHING_AGAINST, NOTHING_FOR
from mqlml.render.console.common import columns, four_digits, local_day, local_moment, ranged
from mqlml.render.results import BacktestPeriod, BacktestResult, ExplainResult
from mqlml.texts import format_label, format_percent, format_signed

__all__ = ["format_backtest", "format_explain"]

_SHOWN_REASONS = 3
_SHOWN_CHANGES = 5
_SHOWN_DAYS = 10


def format_explain(result: ExplainResult) -> str:
    """What ``mqlml explain`` prints."""
    moment, made = local_moment(result.as_of, result.timezone), result.log_odds
    lines = [
        f"Lead {result.lead_id} on {moment}: converts with a probability of {format_percent(result.probability, 1)}, "
        f"score {result.score:g}",
        f"{format_label(result.label)}: {result.label_reason}",
    ]
    for title, sign, nothing in (
        ("Speaks for it", 1, NOTHING_FOR),
        ("Speaks against it", -1, NOTHING_AGAINST),
    ):
        reasons = [reason for reason in result.reasons if reason.given and reason.points * sign > 0]
        lines += [title, *(_adds(reason.points, reason.sentence) for reason in reasons[:_SHOWN_REASONS])]
        lines += [] if reasons else [f"  {nothing}"]
    lines += [f"Fit and engagement: {_halves(made.fit, made.engagement)}"]
    lines += columns(
        (name, _points(points), text)
        for name, points, text in [
            ("fit (profile)", made.fit.points, _rank(made.fit)),
            ("engagement (channel, actions)", made.engagement.points, _rank(made.engagement)),
            ("negative signals", made.points["undesirables"], ""),
            ("where every lead starts", made.base, ""),
            ("log-odds", made.total, ""),
        ]
    )
    lines += _changes(result)
    if result.created_at is not None:
        lines += _timeline(result, created_at=result.created_at)
    return "\n".join([*lines, f"Scored by {result.model} version {result.version}"])


def _points(points: float) -> str:
    return format_signed(points, 2)


def _adds(points: float, text: str) -> str:
    return f"  {_points(points)}  {text}"


def _rank(part: PointsPercentile) -> str:
    # Nobody stands above all the open leads, being one of them.
    above = part.percentile
    share = f"{above:.0f}" if 0.5 <= above < 99.5 else "over 99" if above > 50 else "under 1"
    return f"above {share}% of the open leads"


def _halves(fit: PointsPercentile, engagement: PointsPercentile) -> str:
    high, low = "the better half of the open leads", "the lesser half"
    halves = [high if part.percentile >= 50 else low for part in (fit, engagement)]
    if halves[0] == halves[1]:
        return f"both in {halves[0]}"
    return f"fit in {halves[0]}, engagement in {halves[1]}"


def _changes(result: ExplainResult) -> list[str]:
    if result.earlier is None:
        return []
    changes = result.earlier.changes
    since = local_moment(result.earlier.at, result.timezone)
    moved = sum(change.points for change in changes)
    lines = [
        f"Since {since}: from {format_percent(result.earlier.probability, 1)} to "
        f"{format_percent(result.probability, 1)}, {_points(moved)} in log-odds"
    ]
    for change in changes[:_SHOWN_CHANGES]:
        same = change.before == change.now
        before = "as before; the rest has changed around it" if same else f"before: {change.value_before}"
        lines.append(_adds(change.points, f"{change.now} ({before})"))
    rest = changes[_SHOWN_CHANGES:]
    if rest:
        lines.append(_adds(sum(change.points for change in rest), f"{len(rest)} smaller changes together"))
    return lines


def _timeline(result: ExplainResult, *, created_at: str) -> list[str]:
    lines = ["What happened, latest first"]
    for event in result.timeline[:_SHOWN_DAYS]:
        times = f" × {event.times}" if event.times > 1 else ""
        channel = f" ({event.channel})" if event.channel else ""
        lines.append(f"  {event.day}  {event.action}{times}{channel}")
    rest = sum(event.times for event in result.timeline[_SHOWN_DAYS:])
    if rest:
        lines.append(f"  … and {rest:,} earlier events")
    created = local_moment(created_at, result.timezone)
    return [*lines, f"  {created}  the lead is created"]


Row = tuple[str, ...]


def format_backtest(result: BacktestResult) -> str:
    """What ``mqlml backtest`` prints."""
    zone, held = result.timezone if result.dated else None, result.held_out
    evaluated: list[tuple[str, PeriodEvaluation]] = [
        *((local_day(period.start, zone), period) for period in result.periods),
        ("all", result.together),
    ]
    lines = ["Each period, predicted by a model trained on what was known when it began"]
    lines += columns(_sizes(result.periods, zone))
    lines.append("How good it was, with 95% intervals (log loss and Brier score: less is better)")
    lines += columns(_metrics(evaluated))
    lines.append("Forecast and actual conversion, with 95% intervals")
    lines += columns(_calibration(evaluated))
    if result.ageing is not None:
        lines += _ageing(result.ageing)
    lines.append(result.advice)
    since, until = (local_day(end, zone) for end in (held.start, held.until))
    lines.append(f"The held-out period, {since} until {until}, was not used")
    return "\n".join(lines)


def _sizes(periods: Sequence[BacktestPeriod], zone: str | None) -> list[Row]:
    rows: list[Row] = [("from", "learned from", "convert", "base rate known", "evaluated", "convert")]
    rows += [
        (
            local_day(period.start, zone),
            f"{period.learned_from.n:,}",
            f"{period.learned_from.positives:,}",
            format_percent(period.base_rate_known, 1),
            f"{period.n:,}",
            f"{period.positives:,}",
        )
        for period in periods
    ]
    return rows


def _metrics(evaluated: Sequence[tuple[str, PeriodEvaluation]]) -> list[Row]:
    rows: list[Row] = [("from", "ROC AUC", "log loss", "base rate's", "Brier score", "base rate's")]
    rows += [
        (
            name,
            ranged(period.roc_auc),
            ranged(period.log_loss, 4),
            four_digits(period.log_loss_base_rate),
            ranged(period.brier, 4),
            four_digits(period.brier_base_rate),
        )
        for name, period in evaluated
    ]
    return rows


def _calibration(evaluated: Sequence[tuple[str, PeriodEvaluation]]) -> list[Row]:
    rows: list[Row] = [("from", "forecast", "actual", "forecast minus actual", "calibration error")]
    rows += [
        (
            name,
            format_percent(period.predicted, 1),
            format_percent(period.rate, 1),
            ranged(period.overprediction, signed=True),
            ranged(period.ece),
        )
        for name, period in evaluated
    ]
    return rows


def _ageing(ageing: Ageing) -> list[str]:
    lines = ["What not retraining costs: older models beside fresh ones, on the same leads"]
    rows: list[Row] = [
        ("older by", "days since training", "snapshots", "log loss", "fresh", "added", "of the skill")
    ]
    skill = ageing.skill.value
    rows += [
        (
            f"{step.older:.0f} days",
            f"{step.since_training:.0f}",
            f"{step.n:,}",
            f"{step.log_loss:.4f}",
            f"{step.fresh:.4f}",
            ranged(step.added, 4, signed=True),
            format_percent(step.added.value / skill, 0) if skill > 0 else "-",
        )
        for step in ageing.steps
    ]
    lines += columns(rows)
    lines.append(f"  skill (log loss of the base rate less that of fresh models): {ranged(ageing.skill, 4)}")
    if ageing.per_30_days is not None:
        added = ranged(ageing.per_30_days, 4, signed=True)
        lines.append(f"  log loss added by 30 days, all ages together: {added}")
    return lines
