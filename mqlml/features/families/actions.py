"""Actions: what the lead and its colleagues did, how often, how lately, in what rhythm and with what intent.

Undesirable acts are not counted here; they are a family of their own. The features come in groups, each of which the
config switches by its name (``features.groups``) and which costs nothing where it is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mqlml.features.catalogue import Window
from mqlml.features.families.accounts import Colleagues, accounts, has_accounts
from mqlml.features.families.action_counts import WEEK, choose_usual, counts, days, totals, usual, values
from mqlml.features.families.action_rows import ActionsPlan, Acts
from mqlml.features.families.builder import Builder, Evidence, LeftOut, Piece, check_words
from mqlml.features.families.event_kinds import Kind, is_undesirable
from mqlml.features.families.intent import choose_pairs, content, intent, pairs, proactive
from mqlml.features.families.rhythm import decay, rhythm, visits
from mqlml.features.vocabulary import Vocabulary, learn_vocabulary

__all__ = ["BUILDER", "ActionsPlan"]

_GROUPS: tuple[Callable[[ActionsPlan], Iterator[Piece]], ...] = (
    *(counts, totals, days, values, usual, decay, visits, rhythm),
    *(intent, proactive, content, pairs, accounts),
)


def _plan(evidence: Evidence) -> tuple[ActionsPlan | None, list[LeftOut]]:
    if not evidence.has_events:
        return None, []
    settings = evidence.config.features
    on = settings.groups
    listed = None if settings.undesirable_actions is None else tuple(settings.undesirable_actions)
    seen = evidence.count_words("action")
    welcome = {word: number for word, number in seen.seen.items() if not is_undesirable(word, listed)}
    actions = learn_vocabulary(seen, most=settings.max_actions, include=welcome.__contains__)
    high_intent = _kind(evidence, "high_intent", settings.high_intent)
    download = _kind(evidence, "download", settings.downloads)
    lead = _kind(evidence, "lead", settings.lead_initiated)
    begun = evidence.count_words("initiated_by").seen if on.proactive else {}
    value = evidence.has_values("value")
    kept = Vocabulary(actions.words, missing=False)
    valued = {word: number for word, number in evidence.events.values.items() if word in welcome}
    plan = ActionsPlan(
        kept,
        listed,
        tuple(evidence.config.windows),
        settings.session_gap,
        evidence.config.data.timezone,
        value=value,
        campaign=evidence.has_values("campaign"),
        content=on.content and evidence.has_values("content"),
        seconds=value and settings.value_unit == "seconds",
        counts=on.counts,
        days=on.action_days,
        values=on.action_values and value,
        totals=on.totals,
        visits=on.visits,
        rhythm=on.rhythm,
        intent=on.intent and any(map(high_intent.holds, welcome)),
        account=has_accounts(evidence),
        usual=choose_usual(valued, kept) if on.usual and value else (),
        half_lives=tuple(settings.half_lives) if on.decay else (),
        high_intent=high_intent,
        download=download if on.content and any(map(download.holds, welcome)) else None,
        lead=lead if any(map(lead.holds, begun)) else None,
        pairs=choose_pairs(evidence, high_intent, welcome) if on.pairs else (),
    )
    return (plan if any(_pieces(plan)) else None), []


def _kind(evidence: Evidence, name: str, listed: list[str] | None) -> Kind:
    """A kind of words as the config lists it."""
    where, column = {
        "high_intent": ("high_intent", "action"),
        "download": ("downloads", "action"),
        "lead": ("lead_initiated", "initiated_by"),
    }[name]
    check_words(evidence, column, listed or (), f"features.{where}")
    return Kind(name, None if listed is None else tuple(listed))


def _pieces(plan: ActionsPlan) -> Iterator[Piece]:
    for group in _GROUPS:
        yield from group(plan)


def _windows(plan: ActionsPlan) -> tuple[Window, ...]:
    """Those of the config, and for the pace the last week and the one before it."""
    return (*plan.windows, WEEK, 2 * WEEK) if plan.totals else plan.windows


BUILDER = Builder("actions", _plan, _pieces, _windows, of_scan=Acts, of_journeys=Colleagues)
