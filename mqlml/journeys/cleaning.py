"""Clean events: find those that machines made, and join words that differ only in case or spacing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.journeys.quarantine import Notice
from mqlml.times import DAY, MISSING_TIME, column_to_microseconds
from mqlml.types import Mask

__all__ = [
    "MACHINE_ACTION",
    "choose_spellings",
    "find_crowded",
    "find_machine_events",
    "join_spellings",
    "spelling_key",
    "treat_machine_events",
]


MACHINE_ACTION = "machine_event"
"""The action of events that ``journeys.bots: flag`` keeps."""

_SECOND = 1_000_000
_BURST, _BURST_SPAN = 20, 10 * _SECOND
"""So many events of a lead within ten seconds are more than a person can make."""

_LINKS, _LINKS_SPAN = 5, 2 * _SECOND
"""So many different links within two seconds: a scanner that follows all of a mail."""

_SPREAD = 0x9E3779B97F4A7C1
"""Leads follow on each other in a table by this step, so that their slots do not fall together."""

_FINE = 0.01
"""Share of events with seconds above which times are fine enough to find bursts."""

_AGENTS = (
    r"(?i)bot\b|crawl|spider|slurp|headless|phantomjs|python-|curl/|wget|go-http|java/|barracuda|proofpoint|mimecast|"
    r"symantec|messagelabs|fireeye|trend ?micro|safelinks|scanner|preview|pingdom|uptime"
)


def find_machine_events(events: pd.DataFrame, lead: npt.NDArray[np.int32]) -> Mask:
    """Which events a machine made.

    Bursts are found only where times are fine enough: with days or minutes for times, many events of a lead share
    one. Events exactly at the start of a day are such days among finer times.

    Parameters
    ----------
    events : DataFrame with ``occurred_at``; ``action`` and ``content``, ``user_agent`` are read where there.
    lead : a number for the lead of each event.
    """
    found = np.zeros(len(events), dtype=bool)
    if "user_agent" in events:
        agents = events["user_agent"].cat
        machine = agents.categories.str.contains(_AGENTS, regex=True)
        found |= np.array([*machine, False], dtype=bool)[agents.codes.to_numpy()]
    times = column_to_microseconds(events["occurred_at"])
    timed = (times != MISSING_TIME) & (times % DAY != 0)
    if not timed.any() or np.mean(times[timed] % (60 * _SECOND) != 0) < _FINE:
        return found
    rows = np.flatnonzero(timed)
    found[rows] |= _bursts(lead[rows], times[rows], _BURST, _BURST_SPAN)
    if "content" in events:
        content = events["content"].cat.codes.to_numpy()
        linked = rows[content[rows] >= 0]
        linked = linked[find_crowded(lead[linked], times[linked], _LINKS, _LINKS_SPAN)]
        found[linked] |= _many_links(lead[linked], times[linked], content[linked])
    return found


def _bursts(lead: npt.NDArray[np.int32], times: npt.NDArray[np.int64], size: int, span: int) -> Mask:
    """Which events are among ``size`` of one lead within ``span``."""
    found = np.zeros(len(lead), dtype=bool)
    near = find_crowded(lead, times, size, span)
    if len(near) < size:
        return found
    order = near[np.lexsort((times[near], lead[near]))]
    of, at = lead[order], times[order]
    last = size - 1
    starts = np.flatnonzero((of[last:] == of[: len(of) - last]) & (at[last:] - at[: len(at) - last] <= span))
    edges = np.zeros(len(of) + 1, dtype=np.int64)
    np.add.at(edges, starts, 1)
    np.add.at(edges, starts + size, -1)
    found[order] = np.cumsum(edges[:-1]) > 0
    return found


def find_crowded(
    lead: npt.NDArray[np.int32], times: npt.NDArray[np.int64], size: int, span: int
) -> npt.NDArray[np.intp]:
    """The events of the leads that may have ``size`` of them within ``span``; few others are among them.

    Such a burst lies in one slot of time or in two neighboring ones, so one slot holds half of it. Slots are counted
    in a table by a hash, which takes a tenth of the time of sorting; leads that share a place may be found, too.
    """
    if len(lead) < size:
        return np.empty(0, dtype=np.intp)
    slot = (times - times.min()) >> span.bit_length()
    half = -(-size // 2)
    # The more events it takes, the seldomer others share their place, and the smaller, so faster, the table.
    mask = (1 << (12 * len(lead) // half).bit_length()) - 1
    place = (lead * np.int64(_SPREAD) + slot) & mask
    crowded = np.bincount(place)[place] >= half
    leads = np.zeros(int(lead.max()) + 1, dtype=bool)
    leads[lead[crowded]] = True
    return np.flatnonzero(leads[lead])


def _many_links(
    lead: npt.NDArray[np.int32], times: npt.NDArray[np.int64], content: npt.NDArray[np.integer]
) -> Mask:
    """Which events are among several of one lead, each with another content, within two seconds."""
    # The first event of each content in a span; repeated clicks of one link do not add up.
    order = np.lexsort((times, content, lead))
    of, what, at = lead[order], content[order], times[order]
    again = np.zeros(len(order), dtype=bool)
    again[1:] = (of[1:] == of[:-1]) & (what[1:] == what[:-1]) & (at[1:] - at[:-1] <= _LINKS_SPAN)
    first = order[~again]
    found = np.zeros(len(lead), dtype=bool)
    found[first] = _bursts(lead[first], times[first], _LINKS, _LINKS_SPAN)
    return found


def treat_machine_events(
    events: pd.DataFrame, lead: npt.NDArray[np.int32], bots: str
) -> tuple[pd.DataFrame, npt.NDArray[np.int32], Notice | None]:
    """Events after ``journeys.bots``, and what was found; the user agent is not kept.

    Parameters
    ----------
    events, lead : as for `find_machine_events`.
    bots : ``drop``, ``flag`` or ``keep``.
    """
    machine = np.zeros(len(events), dtype=bool) if bots == "keep" else find_machine_events(events, lead)
    events = events.drop(columns="user_agent", errors="ignore")
    if not machine.any():
        return events, lead, None
    actions = events["action"][machine].value_counts()
    notice = Notice(
        "machine_events" if bots == "drop" else "machine_events_flagged",
        "events",
        "",
        int(machine.sum()),
        len(np.unique(lead[machine])),
        tuple(str(action) for action in actions.index[actions > 0][:3]),
    )
    if bots == "drop":
        events = events[~machine].reset_index(drop=True)
        events["action"] = events["action"].cat.remove_unused_categories()
        return events, lead[~machine], notice
    action = events["action"].astype("str").mask(machine, MACHINE_ACTION).astype("category")
    return events.assign(action=action), lead, notice


_SHOWN = 5


def spelling_key(word: str) -> str:
    """A form that is equal for words that differ only in case or spacing.

    >>> spelling_key("Page  View") == spelling_key("pageview")
    True
    """
    return "".join(word.split()).casefold()


def choose_spellings(words: Sequence[str]) -> list[str]:
    """For each word the plainest of its spellings: that with the fewest capitals, then the shortest.

    How often each occurs does not count, or another table, or a part of this one, would choose another.
    """
    spellings: dict[str, list[str]] = {}
    for word in words:
        spellings.setdefault(spelling_key(word), []).append(word)
    best = {
        key: " ".join(min(several, key=_plainness).split()) if len(several) > 1 else several[0]
        for key, several in spellings.items()
    }
    return [best[spelling_key(word)] for word in words]


def _plainness(word: str) -> tuple[int, int, str]:
    return sum(letter.isupper() for letter in word), len(word), word


def join_spellings(
    words: pd.Categorical, table: str, column: str, lead: npt.NDArray[np.int32]
) -> tuple[pd.Categorical, Notice | None]:
    """The words with one spelling each, and what was joined.

    Parameters
    ----------
    lead : a number for the lead of each row.
    """
    texts = [str(text) for text in words.categories]
    codes = np.asarray(words.codes)
    chosen = choose_spellings(texts)
    if chosen == texts:
        return words, None
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    distinct = sorted(set(chosen))
    place = {text: code for code, text in enumerate(distinct)}
    lookup = np.array([*(place[text] for text in chosen), -1], dtype=np.int32)
    other = np.array([*(a != b for a, b in zip(texts, chosen, strict=True)), False])[codes]
    joined = sorted(
        (-count, text) for text, new, count in zip(texts, chosen, counts.tolist(), strict=True) if text != new
    )
    notice = Notice(
        "spellings",
        table,
        column,
        int(other.sum()),
        len(np.unique(lead[other])),
        tuple(text for _, text in joined[:_SHOWN]),
    )
    return pd.Categorical.from_codes(lookup[codes], categories=pd.Index(distinct, dtype="str")), notice
