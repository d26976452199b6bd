"""The acts of one walk: what the groups of the actions family share, each made once, when first needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mqlml.features import kernel
from mqlml.features.bad_acts import is_undesirable
from mqlml.features.catalogue import Feature, Window
from mqlml.features.compiled import Codes, Flags, Ints, Numbers
from mqlml.features.vocabulary import Vocabulary
from mqlml.features.windows import Events, Walk
from mqlml.features.word_kinds import Kind
from mqlml.times import to_clock

__all__ = ["ActionsPlan", "Acts", "Group", "PairPlan", "is_welcome", "write_counts", "write_last"]

RESERVED = (
    "any",
    "other",
    "value",
    "campaign",
    "content",
    "download",
    "high_intent",
    "lead_initiated",
    "colleagues",
)
"""Parts of names that are mqlml's own."""


@dataclass(frozen=True)
class PairPlan:
    """An ordered pair of actions: ``at_least`` acts of ``first`` before an act of ``then``."""

    first: str
    then: str
    at_least: int


@dataclass(frozen=True)
class ActionsPlan:
    """What the actions family learned.

    Attributes
    ----------
    actions : the actions with features of their own.
    undesirable : the actions the config lists as undesirable; None for the built-in patterns.
    windows : lookback windows, shortest first.
    session_gap : microseconds; a longer pause begins a new session.
    timezone : whose days, weekdays and hours are meant.
    value, campaign, content : whether events carry a value, a campaign, a content.
    seconds : whether values are seconds spent.
    counts, days, values, totals, visits, rhythm, intent, account : whether these groups are made.
    usual : the mean value of each kept action, whole millionths, 0 for none; empty where the group is not made.
    half_lives : of the acts that fade, microseconds; empty for none.
    high_intent : how such acts are known.
    download, lead : how such words are known; None where their group is not made.
    pairs : the ordered pairs.
    """

    actions: Vocabulary
    undesirable: tuple[str, ...] | None
    windows: tuple[Window, ...]
    session_gap: int
    timezone: str
    value: bool
    campaign: bool
    content: bool
    seconds: bool
    counts: bool
    days: bool
    values: bool
    totals: bool
    visits: bool
    rhythm: bool
    intent: bool
    account: bool
    usual: tuple[int, ...]
    half_lives: tuple[int, ...]
    high_intent: Kind
    download: Kind | None
    lead: Kind | None
    pairs: tuple[PairPlan, ...]


@dataclass(frozen=True)
class Group:
    """Some features of the actions family that are made together.

    Attributes
    ----------
    describe : ``describe(plan)`` gives the features in order; none where the group is switched off.
    write : ``write(acts, plan, out, column)`` fills their columns, from ``column`` on, for the snapshots of a walk.
    windows : ``windows(plan)`` gives the lookback windows needed beside the plan's own.
    """

    describe: Callable[[ActionsPlan], list[Feature]]
    write: Callable[[Acts, ActionsPlan, Numbers, int], None]
    windows: Callable[[ActionsPlan], tuple[Window, ...]] = lambda _: ()


def is_welcome(plan: ActionsPlan) -> Callable[[str], bool]:
    """Whether an action is none of the undesirable ones."""
    return lambda word: not is_undesirable(word, plan.undesirable)


class Acts:
    """The rows of a walk: ``every`` has all, ``walk`` the welcome ones; all further arrays match the latter."""

    def __init__(self, every: Walk, events: Events, plan: ActionsPlan) -> None:
        self.every = every
        self.events = events
        self.plan = plan
        action = events.words("action")
        slots = events.kept(
            (plan.actions, plan.undesirable), lambda: plan.actions.look_up(action, is_welcome(plan))
        )
        slot = slots[action.codes[every.order]]
        welcome = slot >= 0
        self.walk = every.only(welcome)
        self.slot: Codes = slot[welcome]
        self.start = self.walk.starts(plan.windows)

    @cached_property
    def local(self) -> Ints:
        """Instants as the clocks of the plan's zone show them, microseconds."""
        return to_clock(self.walk.occurred, self.plan.timezone)

    @cached_property
    def ranks(self) -> tuple[Codes, Codes]:
        """The number of each row's day and of its session, never falling."""
        return kernel.rank_stretches(self.walk.unit, self.walk.occurred, self.local, self.plan.session_gap)

    @cached_property
    def values(self) -> npt.NDArray[np.float64]:
        """The values; NaN is missing."""
        return self.events.values()[self.walk.order]

    def are(self, kind: Kind, column: str = "action") -> Flags:
        """Whether each row's word is of a kind; a missing one is of none."""
        words = self.events.words(column)
        known: Flags = self.events.kept(
            (kind, column), lambda: np.array([*map(kind.holds, words.text), False], np.bool_)
        )
        return np.asarray(known[words.codes[self.walk.order]], np.bool_)


def write_counts(walk: Walk, start: Ints, out: Numbers, column: int) -> None:
    """How many rows lie in each window."""
    out[walk.row, column : column + len(start)] = (walk.stop - start).T


def write_last(walk: Walk, out: Numbers, column: int) -> None:
    """Days since the last row."""
    every = np.zeros(len(walk.occurred), np.int32)
    kernel.write_days_since(
        walk.unit, walk.turn, walk.row, walk.stop, walk.cutoff, walk.occurred, every, 1, out, column
    )
