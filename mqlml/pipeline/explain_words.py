"""What people read of one lead at the command line: its explanation goes in, a few plain lines come out."""

from __future__ import annotations

from mqlml.insight import Placement
from mqlml.pipeline.lines import columns, local_moment, percent
from mqlml.pipeline.results import ExplainResult

__all__ = ["words_of_explain"]

_SHOWN_REASONS = 3
_SHOWN_CHANGES = 5
_SHOWN_DAYS = 10


def words_of_explain(result: ExplainResult) -> str:
    """What ``mqlml explain`` prints."""
    moment = local_moment(result.as_of, result.timezone)
    lines = [
        f"Lead {result.lead_id} on {moment}: converts with a probability of {percent(result.probability)}, "
        f"score {result.score:g}",
        f"{result.label.upper()}: {result.label_reason}",
    ]
    for title, sign in (("Speaks for it", 1), ("Speaks against it", -1)):
        reasons = [reason for reason in result.reasons if reason.points * sign > 0]
        lines += [title, *(_adds(reason.points, reason.sentence) for reason in reasons[:_SHOWN_REASONS])]
        lines += [] if reasons else ["  nothing"]
    lines += [f"Fit and engagement: {_placement(result.fit, result.engagement)}"]
    lines += columns(
        (name, _points(points), said)
        for name, points, said in [
            ("fit (profile)", result.fit.points, _rank(result.fit)),
            ("engagement (channel, actions)", result.engagement.points, _rank(result.engagement)),
            ("drag (undesirables)", result.points["undesirables"], ""),
            ("where every lead starts", result.base, ""),
            ("log-odds", result.log_odds, ""),
        ]
    )
    lines += _changes(result)
    if result.created_at is not None:
        lines += _timeline(result, created_at=result.created_at)
    return "\n".join([*lines, f"By {result.model} version {result.version}"])


def _points(points: float) -> str:
    return f"{points:+.2f}".replace("-", "−")


def _adds(points: float, said: str) -> str:
    return f"  {_points(points)}  {said}"


def _rank(placement: Placement) -> str:
    # Nobody stands above all the open leads, being one of them.
    above = placement.percentile
    share = f"{above:.0f}" if 0.5 <= above < 99.5 else "over 99" if above > 50 else "under 1"
    return f"above {share} % of the open leads"


def _placement(fit: Placement, engagement: Placement) -> str:
    high, low = "the better half of the open leads", "the lesser half"
    halves = [high if part.percentile >= 50 else low for part in (fit, engagement)]
    if halves[0] == halves[1]:
        return f"both in {halves[0]}"
    return f"fit in {halves[0]}, engagement in {halves[1]}"


def _changes(result: ExplainResult) -> list[str]:
    if result.since is None or result.probability_before is None:
        return []
    changes = result.changes
    since = local_moment(result.since, result.timezone)
    moved = sum(change.points for change in changes)
    lines = [
        f"Since {since}: from {percent(result.probability_before)} to {percent(result.probability)}, "
        f"{_points(moved)} in log-odds"
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
    lines = ["What happened, the latest first"]
    for act in result.timeline[:_SHOWN_DAYS]:
        times = f" × {act.times}" if act.times > 1 else ""
        channel = f" ({act.channel})" if act.channel else ""
        lines.append(f"  {act.day}  {act.action}{times}{channel}")
    rest = sum(act.times for act in result.timeline[_SHOWN_DAYS:])
    if rest:
        lines.append(f"  … and {rest:,} acts before")
    created = local_moment(created_at, result.timezone)
    return [*lines, f"  {created}  the lead is created"]
