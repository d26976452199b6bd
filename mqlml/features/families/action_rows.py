"""The actions family's plan: which actions are of a kind, and the event rows of one scan that its pieces share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mqlml.features.catalogue import Window
from mqlml.features.families.builder import Columns
from mqlml.features.kernels import counts as kernel
from mqlml.features.kernels.windows import Events, WindowScan, whole_values
from mqlml.features.vocabulary import Vocabulary, Words
from mqlml.times import to_clock
from mqlml.types import Codes, Ints, Mask

_OTHER = re.compile(r"[\W_]+")
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def any_of(*patterns: str) -> Callable[[str], bool]:
    """Whether one of the patterns matches whole words of a text, in lower case, its other characters as spaces."""
    match = re.compile(r"\b(" + "|".join(patterns) + r")\b")
    return lambda word: match.search(_OTHER.sub(" ", _HUMPS.sub(" ", word)).lower()) is not None


is_high_intent = any_of(
    r"demos?|demonstration\w*|(free )?trials?|test drive",
    r"pric(e|es|ing)|quotes?|quotation\w*|proposals?|rf[pqi]|angebot\w*|preis\w*",
    r"(buy|buyer|buyers|buying|purchas\w*) guides?|kaufberat\w*",
    r"(contact|talk to|call) sales|(request\w*|book\w*) (a |an )?(call|callback|meeting|appointment|consultation)",
    r"(meeting|call|callback|consultation|appointment) (request\w*|book\w*|schedul\w*)",
    r"check ?out|(shopping )?(cart|basket)|roi calculator",
)
"""Whether an action shows that its lead is about to choose: demo, trial, price, buying guide, basket and the like."""

is_download = any_of(
    r"download\w*|white ?papers?|e ?books?|brochures?|data ?sheets?|buying guides?|buyers? guides?|pdfs?"
)
"""Whether an action is the download of some content."""

is_lead = any_of(
    r"leads?|contacts?|customers?|clients?|prospects?|visitors?|users?|buyers?|inbound|person|self|consumer"
)
"""Whether the word in ``initiated_by`` means the lead itself."""

is_paid = any_of(
    r"paid\w*|pp[cl]|cp[acmv]|se[am]|ads?|adwords|advert\w*|display|sponsor\w*|promoted|banners?",
    r"re ?(target|market)\w*|affiliat\w*|programmatic|print|tv|radio|billboards?|anzeigen?|werbung",
)
"""Whether a channel is paid for by the touch or the showing; all others are organic."""

_KINDS = {"high_intent": is_high_intent, "download": is_download, "lead": is_lead}


@dataclass(frozen=True)
class Kind:
    """A kind of words: ``listed`` by the config, or without a list what the patterns of ``name`` match."""

    name: str
    listed: tuple[str, ...] | None

    def holds(self, word: str) -> bool:
        """Whether a word is of this kind."""
        return _KINDS[self.name](word) if self.listed is None else word in self.listed


_ACTIONS = (
    r"unsubscri\w*|opt(ed)? out|optout|abmeld\w*|desinscri\w*",  # wants no more mail
    r"(hard |soft )?bounc\w*|undeliver\w*|invalid (e )?mail",  # cannot be reached
    r"complain\w*|spam\w*|abuse\w*|mark(ed)? as junk",  # objects to being written to
    r"careers?|jobs|vacanc\w*|hiring|karriere|job (page|board|application|offer|posting)\w*",  # wants a job
    r"no shows?|noshow\w*|miss(ed)? (the )?(meeting|call|demo|webinar|appointment)",  # did not turn up
    r"(do )?not (contact|call|e ?mail)|dnc|block(ed)? sender",
    r"not interested|reject\w* (call|meeting|demo)|declin\w* (call|meeting|demo)",
)
"""Each pattern matches whole words of an action, in lower case, with every run of other characters a space."""

_CHANNELS = (
    r"careers?|jobs?|job boards?|vacanc\w*|hiring|recruit\w*|karriere|stellen\w*|indeed|glassdoor|stepstone",
    r"support|help ?desk|help ?cent(er|re)|service desk|ticket\w*|customer service",  # has the product already
    r"coupons?|vouchers?|cash ?back|deals? sites?|discount\w*|gutschein\w*|rebates?|freebies?|giveaways?",
    r"affiliates?|incent\w*|sweepstakes?|paid to click|ptc|co ?reg(istration)?",  # is paid for the click
    r"unsubscri\w*|spam\w*|bots?|crawlers?|scrap\w*",
    r"investor relations?",  # reads about the company, not about what it sells
)
"""As for actions, of a channel."""

_is_bad_action = any_of(*_ACTIONS)
_is_bad_channel = any_of(*_CHANNELS)


def is_undesirable(action: str, listed: tuple[str, ...] | None) -> bool:
    """Whether an action counts as undesirable: one of ``listed``, or without a list, one the patterns know.

    >>> is_undesirable("Careers_Page_Visit", None), is_undesirable("emailUnsubscribed", None)
    (True, True)
    >>> is_undesirable("demo_request", None), is_undesirable("demo_request", ("demo_request",))
    (False, True)
    """
    return _is_bad_action(action) if listed is None else action in listed


def is_undesirable_channel(channel: str, listed: tuple[str, ...] | None) -> bool:
    """The same of a channel.

    >>> [is_undesirable_channel(word, None) for word in ("Careers page", "coupon-site", "Organic search")]
    [True, True, False]
    """
    return _is_bad_channel(channel) if listed is None else channel in listed


RESERVED = (
    *("any", "other", "value", "campaign", "content"),
    *("download", "high_intent", "lead_initiated", "colleagues"),
)
"""Parts of names that are mqlml's own."""


@dataclass(frozen=True)
class PairPlan:
    """An ordered pair of actions: ``at_least`` events of ``first`` before an event of ``then``."""

    first: str
    then: str
    at_least: int


@dataclass(frozen=True)
class EventColumns:
    """Whether events carry a value, a campaign, a content; and whether values are seconds spent."""

    value: bool
    campaign: bool
    content: bool
    seconds: bool


@dataclass(frozen=True)
class ActionGroups:
    """Which groups of features are made; the others are made where the plan holds what they need."""

    counts: bool
    days: bool
    values: bool
    totals: bool
    visits: bool
    rhythm: bool
    intent: bool
    account: bool


@dataclass(frozen=True)
class ActionKinds:
    """How events of high intent, downloads and the lead among initiators are known; None: no such features."""

    high_intent: Kind
    download: Kind | None
    lead: Kind | None


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
    columns, groups, kinds : what events carry, which groups are made, how kinds of events are known.
    usual : the mean value of each kept action, whole millionths, 0 for none; empty where the group is not made.
    half_lives : of the events that decay, microseconds; empty for none.
    pairs : the ordered pairs.
    """

    actions: Vocabulary
    undesirable: tuple[str, ...] | None
    windows: tuple[Window, ...]
    session_gap: int
    timezone: str
    columns: EventColumns
    groups: ActionGroups
    kinds: ActionKinds
    usual: tuple[int, ...]
    half_lives: tuple[int, ...]
    pairs: tuple[PairPlan, ...]


def is_positive_signal(plan: ActionsPlan) -> Callable[[str], bool]:
    """Whether an action is none of the undesirable ones."""
    return lambda word: not is_undesirable(word, plan.undesirable)


class EventRows:
    """The rows of a scan: ``every`` has all, ``scan`` those of positive signals, which all further arrays match."""

    def __init__(self, every: WindowScan, events: Events, plan: ActionsPlan) -> None:
        self.every = every
        self.events = events
        self.plan = plan
        action = events.words("action")
        slots = events.kept(
            (plan.actions, plan.undesirable), lambda: plan.actions.look_up(action, is_positive_signal(plan))
        )
        slot = slots[action.codes[every.order]]
        positive = slot >= 0
        self.scan = every.only(positive)
        self.slot: Codes = slot[positive]
        self.start = self.scan.starts(plan.windows)

    @cached_property
    def local(self) -> Ints:
        """Instants as the clocks of the plan's zone show them, microseconds."""
        return to_clock(self.scan.arrays.occurred, self.plan.timezone)

    @cached_property
    def ranks(self) -> tuple[Codes, Codes]:
        """The number of each row's day and of its session, never falling."""
        arrays = self.scan.arrays
        return kernel.rank_stretches(arrays.group_offsets, arrays.occurred, self.local, self.plan.session_gap)

    @property
    def visit_begins(self) -> Ints:
        """1 for each row that begins a visit, else 0."""
        return np.asarray(np.diff(self.ranks[1], prepend=0) != 0, np.int64)

    @cached_property
    def values(self) -> tuple[Ints, Mask]:
        """The values in whole millionths, 0 where there is none, and where there is one."""
        return whole_values(self.scan, self.events.values()[self.scan.order])

    def only(self, kind: Kind | None, column: str = "action") -> WindowScan:
        """The scan over the rows whose word is of a kind; a missing word is of none."""
        assert kind is not None, "a piece of events of a kind is made only where the kind is known"
        words = self.events.words(column)
        known: Mask = self.events.kept(
            (kind, column), lambda: np.array([*map(kind.holds, words.text), False], np.bool_)
        )
        return self.scan.only(np.asarray(known[words.codes[self.scan.order]], np.bool_))

    @cached_property
    def of_high_intent(self) -> WindowScan:
        """The scan over the events of high intent."""
        return self.only(self.plan.kinds.high_intent)

    @cached_property
    def of_lead(self) -> WindowScan:
        """The scan over the events that the lead itself initiated."""
        return self.only(self.plan.kinds.lead, "initiated_by")

    @cached_property
    def of_downloads(self) -> WindowScan:
        """The scan over the downloads."""
        return self.only(self.plan.kinds.download)


def write_counts(scan: WindowScan, windows: tuple[Window, ...], columns: Columns) -> None:
    """How many rows lie in each window."""
    columns.fill(scan.row, (scan.stop - scan.starts(windows)).T)


def write_last(scan: WindowScan, columns: Columns) -> None:
    """Days since the last row."""
    every = np.zeros(len(scan.order), np.int32)
    kernel.write_days_since(scan.arrays, every, 1, *columns.target(1))


def write_distinct(scan: WindowScan, windows: tuple[Window, ...], words: Words, columns: Columns) -> None:
    """How many different words lie in each window."""
    codes = words.codes[scan.order].astype(np.int32)
    start = scan.starts(windows)
    kernel.count_distinct(scan.arrays, start, codes, len(words.text), *columns.target(len(start)))
