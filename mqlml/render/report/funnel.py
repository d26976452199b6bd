"""The report's section on the funnel: how far the leads of each period get, and the handover to sales."""

from __future__ import annotations

from mqlml.evaluation import Estimate
from mqlml.insight.funnel import Funnel
from mqlml.monitoring import Handover
from mqlml.texts import format_label, format_number, format_percent, is_known, join_texts, pluralize

__all__ = [
    "FUNNEL_LIMITS",
    "describe_handover",
    "describe_missing",
    "describe_origins",
    "describe_reach",
    "name_stage",
]

FUNNEL_LIMITS = (
    "Stages count as they are dated in the data: a stage that sales enters late or never is missing here, and young "
    "leads are expected to move on as older ones did in the last year."
)
"""What the funnel cannot know."""

_STAGES = {"lead": "lead", "closed_won": "customer", "closed_lost": "lost"}


def name_stage(stage: str) -> str:
    """A stage as people call it."""
    return _STAGES.get(stage, format_label(stage))


def describe_reach(found: Funnel) -> str:
    """What becomes of 100 leads, in one sentence."""
    if not any(is_known(stage.share.value) for stage in found.stages):
        return f"{pluralize(found.leads, 'lead')}; too few to say how far they get."
    parts = [
        f"{format_number(_per_100(stage.share.value), _decimals(stage.share.value))} become "
        f"{_plural(stage.stage)}"
        for stage in found.stages
    ]
    last = found.stages[-1].share
    return (
        f"Of 100 leads, {join_texts(parts)} within {format_number(found.within_days)} days "
        f"({_range_per_100(last)} {_plural(found.stages[-1].stage)})."
    )


def _per_100(share: float) -> float:
    return 100 * share


def _decimals(share: float) -> int:
    return 0 if share >= 0.0995 else 1


def _range_per_100(share: Estimate) -> str:
    low, high = _per_100(share.low), _per_100(share.high)
    decimals = _decimals(share.value)
    return f"{format_number(low, decimals)} to {format_number(high, decimals)}"


def _plural(stage: str) -> str:
    return {"mql": "MQLs", "sql": "SQLs", "opportunity": "opportunities", "closed_won": "customers"}.get(
        stage, name_stage(stage)
    )


def describe_origins(found: Funnel) -> str:
    """How many customers began as marketing leads; empty where the data cannot say."""
    if not found.origins:
        return ""
    whole = found.origins[0]
    return (
        f"{format_percent(whole.share.value)} of {pluralize(whole.customers, 'customer')} "
        f"({format_percent(whole.share.low)} to {format_percent(whole.share.high)}) began as marketing leads: MQL "
        "was their first stage."
    )


def describe_handover(handover: Handover | None) -> tuple[str, ...]:
    """Leads handed over too early and too late, and those that never were MQLs."""
    if handover is None:
        return ()
    early = (
        f"Too early: sales rejected or lost {handover.too_early:,} of {pluralize(handover.handed_over, 'MQL')} "
        f"within {handover.soon_days:g} days."
    )
    late = (
        f"Too late: of {pluralize(handover.accepted, 'lead')} that sales took up, {handover.too_late:,} became MQL "
        f"only afterwards, and {handover.never:,} never did."
    )
    return early, late


def describe_missing(found: Funnel) -> str:
    """Which stages the data lacks; empty where it has all."""
    if not found.missing:
        return ""
    names = join_texts([name_stage(stage) for stage in found.missing], "or")
    return f"The data has no stage {names}, so it is left out. Map it under data.outcomes.stages."
