"""What people read of a backtest at the command line: its result goes in, a few plain tables come out."""

from __future__ import annotations

from collections.abc import Sequence

from mqlml.evaluation.ageing import Ageing
from mqlml.evaluation.periods import PeriodEvaluation
from mqlml.pipeline.lines import columns, four_digits, local_day, percent, ranged
from mqlml.pipeline.results import BacktestPeriod, BacktestResult

__all__ = ["words_of_backtest"]

Row = tuple[str, ...]


def words_of_backtest(result: BacktestResult) -> str:
    """What ``mqlml backtest`` prints."""
    zone, held = result.timezone, result.held_out
    judged: list[tuple[str, PeriodEvaluation]] = [
        *((local_day(period.start, zone), period) for period in result.periods),
        ("all", result.together),
    ]
    lines = ["Each period, judged by a model that learned from what was known when it began"]
    lines += columns(_sizes(result.periods, zone))
    lines.append("How good it was, with 95 % intervals (log loss and Brier score: less is better)")
    lines += columns(_metrics(judged))
    lines.append("Whether its promises came true, with 95 % intervals")
    lines += columns(_calibration(judged))
    if result.ageing is not None:
        lines += _ageing(result.ageing)
    lines.append(result.advice)
    since, until = (local_day(end, zone) for end in (held.start, held.until))
    lines.append(f"The held-out period, {since} until {until}, was not opened")
    return "\n".join(lines)


def _sizes(periods: Sequence[BacktestPeriod], zone: str) -> list[Row]:
    rows: list[Row] = [("from", "learned from", "convert", "base rate known", "judged", "convert")]
    rows += [
        (
            local_day(period.start, zone),
            f"{period.learned_from.n:,}",
            f"{period.learned_from.positives:,}",
            percent(period.base_rate_known),
            f"{period.n:,}",
            f"{period.positives:,}",
        )
        for period in periods
    ]
    return rows


def _metrics(judged: Sequence[tuple[str, PeriodEvaluation]]) -> list[Row]:
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
        for name, period in judged
    ]
    return rows


def _calibration(judged: Sequence[tuple[str, PeriodEvaluation]]) -> list[Row]:
    rows: list[Row] = [("from", "promised", "came", "promised too much", "calibration error")]
    rows += [
        (
            name,
            percent(period.predicted),
            percent(period.rate),
            ranged(period.overprediction, sign="+"),
            ranged(period.ece),
        )
        for name, period in judged
    ]
    return rows


def _ageing(ageing: Ageing) -> list[str]:
    lines = ["What not retraining costs: older models beside fresh ones, on the same leads"]
    rows: list[Row] = [
        ("older by", "days since training", "looks", "log loss", "fresh", "added", "of the skill")
    ]
    skill = ageing.skill.value
    rows += [
        (
            f"{step.older:.0f} days",
            f"{step.since_training:.0f}",
            f"{step.n:,}",
            f"{step.log_loss:.4f}",
            f"{step.fresh:.4f}",
            ranged(step.added, 4, sign="+"),
            f"{step.added.value / skill:.0%}" if skill > 0 else "-",
        )
        for step in ageing.steps
    ]
    lines += columns(rows)
    lines.append(f"  skill (log loss of the base rate less that of fresh models): {ranged(ageing.skill, 4)}")
    if ageing.per_30_days is not None:
        added = ranged(ageing.per_30_days, 4, sign="+")
        lines.append(f"  log loss added by 30 days, all ages together: {added}")
    return lines
