"""Config warnings: a sentence for each entry of a config that has no effect on the data it was read with.

A name that no event can match stops a run where a feature needs it (`check_words`). These do not: an event type that
the audit refused, one that only later events have, a rule that promotes nobody yet.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mqlml.config import Config, Features, Promote
from mqlml.features import FeaturePlan
from mqlml.features.parsers.conditions import meets, read_condition
from mqlml.features.vocabulary import read_words
from mqlml.journeys import FlatTable, Journeys

__all__ = ["find_config_warnings"]

_USED_BY = {"high_intent": ("intent", "pairs"), "downloads": ("content",), "lead_initiated": ("proactive",)}
"""The groups of features that use each list; those of accounts use the first one, too."""


def find_config_warnings(data: Journeys | FlatTable, plan: FeaturePlan, config: Config) -> list[str]:
    """The entries without effect: in ``features``, then in ``rules.promote``."""
    if not data.dated:
        if not config.rules.promote:
            return []
        return ["rules.promote has no effect: a flat table has no events that could promote a lead."]
    actions = [*read_words(data.events["action"]).text]
    return [
        *_unread_lists(config.features, plan),
        *_refused_actions(config.features, plan.refused_actions),
        *_promote_nobody(config.rules.promote, actions, config.folder),
    ]


def _unread_lists(features: Features, plan: FeaturePlan) -> Iterator[str]:
    by_accounts = plan.group_by_account
    for name, groups in _USED_BY.items():
        read = any(getattr(features.groups, group) for group in groups)
        if getattr(features, name) is None or read or (name == "high_intent" and by_accounts):
            continue
        yield (
            f"features.{name} has no effect: the feature groups that use it are off. Switch one on: "
            f"features: {{groups: {{{groups[0]}: on}}}}."
        )


def _refused_actions(features: Features, refused: Sequence[str]) -> Iterator[str]:
    """Event types that a feature names, and that the audit keeps from all features."""
    named = {
        "features.high_intent": features.high_intent or [],
        "features.downloads": features.downloads or [],
        "features.undesirable_actions": features.undesirable_actions or [],
        "features.pairs": [word for pair in features.pairs or [] for word in (pair.first, pair.then)],
        "features.custom": [word for own in features.custom for word in own.action],
    }
    for where, actions in named.items():
        for action in dict.fromkeys(actions):
            if action in refused:
                yield (
                    f"{where} names {action!r}, which the leakage audit refused: it has no effect there. To keep "
                    f"it: features: {{force: {{{action}: why it is known at the cutoff}}}}."
                )


def _promote_nobody(rules: Sequence[Promote], actions: Sequence[str], folder: Path) -> Iterator[str]:
    """Listed event types that no event has, each with the nearest there are; or the whole rule."""
    by_case = {action.casefold(): action for action in actions}
    for number, rule in enumerate(rules):
        where = f"rules.promote[{number}].when.action"
        condition = rule.when.action
        required = read_condition(condition, where, folder)
        if condition.in_ is None:
            if not any(meets(actions, required, where)):
                yield f"{where} matches no event type, so the rule {rule.reason!r} promotes nobody."
            continue
        for word in required.words or ():
            if not any(meets(actions, replace(required, words=(word,)), where)):
                near = difflib.get_close_matches(word, by_case, n=2, cutoff=0.5)
                named = " or ".join(repr(by_case[found]) for found in near)
                hint = f"did you mean {named}?" if near else "see the events for those there are."
                yield f"{where} names {word!r}, which is no event's action: it promotes nobody; {hint}"
