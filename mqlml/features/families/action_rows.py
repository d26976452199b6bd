"""The acts of one walk: what the pieces of the actions family share, each made once, when first needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mqlml.features.catalogue import Window
from mqlml.features.families.builder import Columns
from mqlml.features.families.event_kinds import Kind, is_undesirable
from mqlml.features.kernels import counts as kernel
from mqlml.features.kernels.windows import Events, WindowScan, whole_values
from mqlml.features.vocabulary import Vocabulary, Words
from mqlml.times import to_clock
from mqlml.types import Codes, Ints, Mask

__all__ = [
    "ActionsPlan",
    "Acts",
    "PairPlan",
    "is_positive_signal",
    "write_counts",
    "write_distinct",
    "write_last",
]

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


def is_positive_signal(plan: ActionsPlan) -> Callable[[str], bool]:
    """Whether an action is none of the undesirable ones."""
    return lambda word: not is_undesirable(word, plan.undesirable)


class Acts:
    """The rows of a walk: ``every`` has all, ``walk`` the welcome ones; all further arrays match the latter."""

    def __init__(self, every: WindowScan, events: Events, plan: ActionsPlan) -> None:
        self.every = every
        self.events = events
        self.plan = plan
        action = events.words("action")
        slots = events.kept(
            (plan.actions, plan.undesirable), lambda: plan.actions.look_up(action, is_positive_signal(plan))
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

    @property
    def visit_begins(self) -> Ints:
        """1 for each row that begins a visit, else 0."""
        session = self.ranks[1]
        begins = np.zeros(len(session), np.int64)
        begins[:1] = 1
        begins[1:] = session[1:] != session[:-1]
        return begins

    @cached_property
    def values(self) -> tuple[Ints, Mask]:
        """The values in whole millionths, 0 where there is none, and where there is one."""
        return whole_values(self.walk, self.events.values()[self.walk.order])

    def are(self, kind: Kind, column: str = "action") -> Mask:
        """Whether each row's word is of a kind; a missing one is of none."""
        words = self.events.words(column)
        known: Mask = self.events.kept(
            (kind, column), lambda: np.array([*map(kind.holds, words.text), False], np.bool_)
        )
        return np.asarray(known[words.codes[self.walk.order]], np.bool_)

    def only(self, kind: Kind | None, column: str = "action") -> WindowScan:
        """The walk over the acts of a kind."""
        assert kind is not None, "a piece of acts of a kind is made only where the kind is known"
        return self.walk.only(self.are(kind, column))

    @cached_property
    def of_high_intent(self) -> WindowScan:
        """The walk over the acts of high intent."""
        return self.only(self.plan.high_intent)

    @cached_property
    def of_lead(self) -> WindowScan:
        """The walk over the acts that the lead itself began."""
        return self.only(self.plan.lead, "initiated_by")

    @cached_property
    def of_downloads(self) -> WindowScan:
        """The walk over the downloads."""
        return self.only(self.plan.download)


def write_counts(walk: WindowScan, start: Ints, columns: Columns) -> None:
    """How many rows lie in each window."""
    columns.fill(walk.row, (walk.stop - start).T)


def write_last(walk: WindowScan, columns: Columns) -> None:
    """Days since the last row."""
    every = np.zeros(len(walk.occurred), np.int32)
    place = (walk.unit, walk.turn, walk.row, walk.stop, walk.cutoff, walk.occurred)
    kernel.write_days_since(*place, every, 1, *columns.target(1))


def write_distinct(walk: WindowScan, start: Ints, words: Words, columns: Columns) -> None:
    """How many different words lie in each window."""
    codes = words.codes[walk.order].astype(np.int32)
    place = (walk.unit, walk.turn, walk.row, start, walk.stop)
    kernel.count_distinct(*place, codes, len(words.text), *columns.target(len(start)))
