"""Console text of ``mqlml compare`` for versions that predict different outcomes."""

from __future__ import annotations

from mqlml.evaluation.two_outcomes import CalledBy, TwoOutcomes
from mqlml.render.console.common import columns, local_day, ranged
from mqlml.render.version_results import ComparedQuestion, OpenByBoth, OutcomesCompareResult
from mqlml.texts import format_label, format_percent, pluralize

__all__ = ["format_outcomes"]

_LEADS = 5


def format_outcomes(result: OutcomesCompareResult) -> str:
    """What ``mqlml compare`` prints about versions that predict different outcomes."""
    first, second = result.first, result.second
    names = _name(first), _name(second)
    lines = [
        f"{names[0]} predicts {_question(first)}, {names[1]} predicts {_question(second)}",
        "Neither can replace the other; this shows whom each would call",
        *_later(result),
    ]
    if result.comparison is not None:
        lines += _ranking(result.comparison, result, names)
        for label, called in result.comparison.labels.items():
            lines += _called(label, called, result, names)
    if result.open_leads is not None:
        lines += _open(result.open_leads, result.timezone, names)
    return "\n".join(lines)


def _name(one: ComparedQuestion) -> str:
    return f"{one.model} {one.version}"


def _outcome(one: ComparedQuestion) -> str:
    return format_label(one.outcome) if one.outcome in ("mql", "sql") else one.outcome.replace("_", " ")


def _question(one: ComparedQuestion) -> str:
    end = one.gap_days + one.horizon_days
    start = f"{one.gap_days:g} to " if one.gap_days else ""
    return f"{_outcome(one)} within {start}{end:g} days"


def _later(result: OutcomesCompareResult) -> list[str]:
    later, zone = result.later, result.timezone
    since = local_day(later.since, zone)
    if later.until is not None:
        return [
            f"Compared on {pluralize(later.n, 'snapshot')} of {pluralize(later.leads, 'lead')} open for both, "
            f"{since} until {local_day(later.until, zone)}, that neither learned from"
        ]
    if later.first_known is not None:
        return [
            f"There are no later snapshots to compare on: both outcomes of the first from {since} on are known on "
            f"{local_day(later.first_known, zone)}"
        ]
    return [
        f"There are no later snapshots to compare on: none from {since} on is one of both; give both configs the "
        "same problem.snapshots"
    ]


def _ranking(found: TwoOutcomes, result: OutcomesCompareResult, names: tuple[str, str]) -> list[str]:
    rows: list[tuple[str, ...]] = [("Ranking, ROC AUC", "have it", *names, "difference, 95% interval")]
    for one, ranking in ((result.first, found.by_first), (result.second, found.by_second)):
        rows.append(
            (
                _question(one),
                f"{ranking.converted:,}",
                ranged(ranking.first, 2),
                ranged(ranking.second, 2),
                ranged(ranking.difference, 2, signed=True),
            )
        )
    return _table(rows)


def _called(label: str, called: CalledBy, result: OutcomesCompareResult, names: tuple[str, str]) -> list[str]:
    heads = (
        f"{format_label(label)} or higher",
        "snapshots",
        _question(result.first),
        _question(result.second),
    )
    rows: list[tuple[str, ...]] = [heads]
    for title, group in (
        ("from both", called.both),
        (f"from {names[0]} alone", called.first_only),
        (f"from {names[1]} alone", called.second_only),
        ("from neither", called.neither),
    ):
        shares = (
            f"{some:,} ({format_percent(some / group.n)})" if group.n else f"{some:,}"
            for some in group.converted
        )
        rows.append((title, f"{group.n:,}", *shares))
    return _table(rows)


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    return [row.removeprefix("  ") if place == 0 else row for place, row in enumerate(columns(rows))]


def _open(found: OpenByBoth, zone: str, names: tuple[str, str]) -> list[str]:
    lines = [f"Open leads on {local_day(found.as_of, zone)}: {found.leads:,} scored by both"]
    if found.by_one_only:
        lines.append(f"  {found.by_one_only:,} more are open for one of the two only")
    for label, called in found.labels.items():
        lines.append(
            f"  {format_label(label)} or higher: {called.both:,} from both, {called.first_only:,} from {names[0]} "
            f"alone, {called.second_only:,} from {names[1]} alone, {called.neither:,} from neither"
        )
    for lead in (*found.first_higher[:_LEADS], *found.second_higher[:_LEADS]):
        parts = (
            f"{format_label(label)} from {name} ({format_percent(chance, 1)})"
            for label, name, chance in zip(lead.labels, names, lead.probability, strict=True)
        )
        lines.append(f"  lead {lead.lead_id}: {', '.join(parts)}")
    return lines
