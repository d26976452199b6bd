"""The feature plan: which features are made, learned when training and stored so that scoring makes the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mqlml.config import Config
from mqlml.errors import BundleError, ConfigError
from mqlml.features.catalogue import Feature
from mqlml.features.families import actions, channel, custom, functions, profile, undesirables
from mqlml.features.families.action_rows import ActionsPlan
from mqlml.features.families.builder import Builder, EventFacts, Evidence, LeftOut, Part, Piece, features_of
from mqlml.features.families.channel import ChannelPlan
from mqlml.features.families.custom import CustomPlan
from mqlml.features.families.flat import FlatPlan, flat_pieces
from mqlml.features.families.functions import FunctionsPlan
from mqlml.features.families.profile import ProfilePlan
from mqlml.features.families.undesirables import UndesirablesPlan
from mqlml.journeys import Journeys

BUILDERS: tuple[Builder, ...] = (
    profile.BUILDER,
    channel.BUILDER,
    actions.BUILDER,
    undesirables.BUILDER,
    custom.BUILDER,
    functions.BUILDER,
)


@dataclass(frozen=True)
class FeaturePlan:
    """Which features are made, and what is needed to make them again on other journeys.

    Attributes
    ----------
    features : tuple of Feature
        In the order of the columns.
    left_out : tuple of (column, reason)
        Columns that became no feature.
    profile, channel, actions, undesirables : each family's settings, None where it has no features.
    custom, functions : the user's own features: aggregates of the config, and functions of other packages.
    refused_actions : event types that no feature sees.
    words : the actions and channels that events had, by column: other spellings of them are the same words.
    flat : settings for a flat table; then the families' are None.
    """

    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...] = ()
    profile: ProfilePlan | None = None
    channel: ChannelPlan | None = None
    actions: ActionsPlan | None = None
    undesirables: UndesirablesPlan | None = None
    custom: CustomPlan | None = None
    functions: FunctionsPlan | None = None
    refused_actions: tuple[str, ...] = ()
    words: tuple[tuple[str, tuple[str, ...]], ...] = ()
    flat: FlatPlan | None = None

    def to_dict(self) -> dict[str, Any]:
        """The plan as values that JSON can hold."""
        plan: dict[str, Any] = _adapter().dump_python(self, mode="json")
        for feature, stored in zip(self.features, plan["features"], strict=True):
            stored |= {"name": feature.name, "sentence": feature.sentence}  # for people who read the file
        return plan

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeaturePlan:
        """The plan back from `to_dict`'s values.

        Raises
        ------
        BundleError
            If the values are no plan, or this version of mqlml would give its features other names.
        """
        try:
            plan = _adapter().validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise BundleError(
                f"the stored feature plan cannot be read: {where}: {first['msg'].lower()}; train a new version"
            ) from None
        made = [feature.name for feature in _describe(plan)]
        stored = [feature.name for feature in plan.features]
        if made != stored:
            differ = sorted(set(made) ^ set(stored))[:3] or "their order"
            raise BundleError(
                f"the stored feature plan was made by another mqlml: features differ ({differ}); use the mqlml that "
                "trained the version, or train a new one"
            )
        return plan

    @property
    def group_by_account(self) -> bool:
        """Whether features of a lead need the other leads of its account, so that parts must keep them together."""
        return self.actions is not None and self.actions.groups.account

    def settings(self, builder: Builder) -> Any:
        """What a family's builder learned; None where it has no features."""
        return getattr(self, builder.part)


@cache
def _adapter() -> TypeAdapter[FeaturePlan]:
    return TypeAdapter(FeaturePlan)


def owned_pieces(plan: FeaturePlan) -> tuple[tuple[Builder, Piece], ...]:
    """The pieces of a plan for journeys in the order of the columns, each with its builder."""
    return _owned_by(BUILDERS, plan)


@lru_cache(maxsize=4)
def _owned_by(builders: tuple[Builder, ...], plan: FeaturePlan) -> tuple[tuple[Builder, Piece], ...]:
    return tuple(
        (builder, piece)
        for builder in builders
        if plan.settings(builder) is not None
        for piece in builder.pieces(plan.settings(builder))
    )


def _describe(plan: FeaturePlan) -> tuple[Feature, ...]:
    if plan.flat is not None:
        return features_of(flat_pieces(plan.flat))
    return features_of(piece for _, piece in owned_pieces(plan))


def plan_features(
    journeys: Journeys,
    config: Config,
    *,
    before: dt.datetime | None,
    refused: Collection[str] = (),
    refused_actions: Collection[str] = (),
    events: EventFacts | None = None,
) -> FeaturePlan:
    """Learn which features to make from what was known before a moment.

    Parameters
    ----------
    journeys : Journeys
    config : Config
    before : datetime in UTC or None
        Only leads created and events and attribute changes known before it are used; None takes all. With the
        start of the held-out period, that period has no influence on which words and columns are kept.
    refused : attributes that must not become features, as the leakage audit found.
    refused_actions : event types that features must not see, as the leakage audit found.
    events : the facts of the events known before the moment, where they are too many to be in ``journeys``; else
        they are gathered from there.

    Returns
    -------
    FeaturePlan

    Raises
    ------
    ConfigError
        If the config names an attribute that the leads do not have.
    """
    evidence = Evidence(
        journeys, config, before=before, refused=refused, refused_actions=refused_actions, events=events
    )
    learned: dict[str, Any] = {}
    left_out: list[LeftOut] = []
    for builder in BUILDERS:
        learned[builder.part], unfit = builder.plan(evidence)
        left_out += unfit
    plan = FeaturePlan(
        features=(),
        left_out=tuple(left_out),
        refused_actions=tuple(sorted(refused_actions)),
        words=(
            ("action", tuple(sorted({*refused_actions, *evidence.events.ever.get("action", ())}))),
            ("channel", tuple(sorted(evidence.events.ever.get("channel", ())))),
        ),
        **learned,
    )
    features = _describe(plan)
    _check_names(features)
    return replace(plan, features=features)


def only_parts(plan: FeaturePlan, parts: Collection[Part]) -> FeaturePlan:
    """The plan with the features of some builders only."""
    others: dict[str, Any] = {builder.part: None for builder in BUILDERS if builder.part not in parts}
    kept: FeaturePlan = replace(plan, **others)
    return replace(kept, features=_describe(kept))


def _check_names(features: tuple[Feature, ...]) -> None:
    names = [feature.name for feature in features]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"two features are called {twice!r}; give your own another name")
