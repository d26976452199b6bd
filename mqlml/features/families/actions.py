"""The actions family: what the lead and its colleagues did, how often, how lately, in what rhythm, with what intent.

Undesirable events are not counted here; they are a family of their own. The config switches each group of features
by its name (``features.groups``); a group that is off costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mqlml.features.catalogue import Window
from mqlml.features.families.accounts import Colleagues, accounts, has_accounts
from mqlml.features.families.action_counts import WEEK, choose_usual, counts, days, totals, usual, values
from mqlml.features.families.action_rows import (
    ActionGroups,
    ActionKinds,
    ActionsPlan,
    EventColumns,
    EventRows,
    Kind,
    is_undesirable,
)
from mqlml.features.families.builder import Builder, Evidence, LeftOut, Piece, check_words
from mqlml.features.families.intent import choose_pairs, content, intent, pairs, proactive
from mqlml.features.families.rhythm import decay, rhythm, visits
from mqlml.features.vocabulary import Vocabulary, learn_vocabulary

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
    positive = {word: number for word, number in seen.seen.items() if not is_undesirable(word, listed)}
    learned = learn_vocabulary(seen, most=settings.max_actions, include=positive.__contains__)
    actions = Vocabulary(learned.words, missing=False)
    high_intent = _kind(evidence, "high_intent", "features.high_intent", settings.high_intent)
    download = _kind(evidence, "download", "features.downloads", settings.downloads)
    lead = _kind(evidence, "lead", "features.lead_initiated", settings.lead_initiated, column="initiated_by")
    initiators = evidence.count_words("initiated_by").seen if on.proactive else {}
    value = evidence.has_values("value")
    values = {word: number for word, number in evidence.events.values.items() if word in positive}
    plan = ActionsPlan(
        *(actions, listed, tuple(evidence.config.windows)),
        *(settings.session_gap, evidence.config.data.timezone),
        columns=EventColumns(
            value=value,
            campaign=evidence.has_values("campaign"),
            content=on.content and evidence.has_values("content"),
            seconds=value and settings.value_unit == "seconds",
        ),
        groups=ActionGroups(
            counts=on.counts,
            days=on.action_days,
            values=on.action_values and value,
            totals=on.totals,
            visits=on.visits,
            rhythm=on.rhythm,
            intent=on.intent and any(map(high_intent.holds, positive)),
            account=has_accounts(evidence),
        ),
        kinds=ActionKinds(
            high_intent,
            download=download if on.content and any(map(download.holds, positive)) else None,
            lead=lead if any(map(lead.holds, initiators)) else None,
        ),
        usual=choose_usual(values, actions) if on.usual and value else (),
        half_lives=tuple(settings.half_lives) if on.decay else (),
        pairs=choose_pairs(evidence, high_intent, positive) if on.pairs else (),
    )
    return (plan if any(_pieces(plan)) else None), []


def _kind(
    evidence: Evidence, name: str, where: str, listed: list[str] | None, *, column: str = "action"
) -> Kind:
    """A kind of words as the config lists it."""
    check_words(evidence, column, listed or (), where)
    return Kind(name, None if listed is None else tuple(listed))


def _pieces(plan: ActionsPlan) -> Iterator[Piece]:
    for group in _GROUPS:
        yield from group(plan)


def _windows(plan: ActionsPlan) -> tuple[Window, ...]:
    """Those of the config, and for the pace the last week and the one before it."""
    return (*plan.windows, WEEK, 2 * WEEK) if plan.groups.totals else plan.windows


BUILDER = Builder("actions", _plan, _pieces, _windows, of_scan=EventRows, of_journeys=Colleagues)
