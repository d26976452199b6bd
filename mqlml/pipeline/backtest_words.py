"""What people read of a backtest at the command line: its result goes in, a few plain tables come out."""

from __future__ import annotations

from typing import Any

from mqlml.pipeline.lines import columns, four_digits, local_day, percent, ranged

__all__ = ["words_of_backtest"]


def words_of_backtest(result: dict[str, Any]) -> str:
    """What ``mqlml backtest`` prints."""
    periods, zone = result["periods"], result["timezone"]
    lines = ["Each period, judged by a model that learned from what was known when it began"]
    rows: list[tuple[str, ...]] = [
        ("from", "learned from", "convert", "base rate known", "judged", "convert")
    ]
    rows += [
        (
            local_day(period["from"], zone),
            f"{period['learned_from']['n']:,}",
            f"{period['learned_from']['positives']:,}",
            percent(period["base_rate_known"]),
            f"{period['n']:,}",
            f"{period['positives']:,}",
        )
        for period in periods
    ]
    lines += columns(rows)
    lines.append("How good it was, with 95 % intervals (log loss and Brier score: less is better)")
    rows = [("from", "ROC AUC", "log loss", "base rate's", "Brier score", "base rate's")]
    judged = [*((local_day(period["from"], zone), period) for period in periods), ("all", result["together"])]
    rows += [
        (
            name,
            ranged(period["roc_auc"]),
            ranged(period["log_loss"], 4),
            four_digits(period["log_loss_base_rate"]),
            ranged(period["brier"], 4),
            four_digits(period["brier_base_rate"]),
        )
        for name, period in judged
    ]
    lines += columns(rows)
    lines.append("Whether its promises came true, with 95 % intervals")
    rows = [("from", "promised", "came", "promised too much", "calibration error")]
    rows += [
        (
            name,
            percent(period["predicted"]),
            percent(period["rate"]),
            ranged(period["overprediction"], sign="+"),
            ranged(period["ece"]),
        )
        for name, period in judged
    ]
    lines += columns(rows)
    ageing = result["ageing"]
    if ageing is not None:
        lines.append("What not retraining costs: older models beside fresh ones, on the same leads")
        rows = [("older by", "days since training", "looks", "log loss", "fresh", "added", "of the skill")]
        skill = ageing["skill"]["value"]
        rows += [
            (
                f"{step['older']:.0f} days",
                f"{step['since_training']:.0f}",
                f"{step['n']:,}",
                f"{step['log_loss']:.4f}",
                f"{step['fresh']:.4f}",
                ranged(step["added"], 4, sign="+"),
                f"{step['added']['value'] / skill:.0%}" if skill > 0 else "-",
            )
            for step in ageing["steps"]
        ]
        lines += columns(rows)
        lines.append(
            f"  skill (log loss of the base rate less that of fresh models): {ranged(ageing['skill'], 4)}"
        )
        if ageing["per_30_days"] is not None:
            lines.append(
                f"  log loss added by 30 days, all ages together: {ranged(ageing['per_30_days'], 4, sign='+')}"
            )
    lines.append(result["advice"])
    held = result["held_out"]
    since, until = (local_day(held[end], zone) for end in ("from", "until"))
    lines.append(f"The held-out period, {since} until {until}, was not opened")
    return "\n".join(lines)
