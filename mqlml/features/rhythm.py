"""Rhythm of acts: how they fade, how the lead comes back and stays, how long it was silent, at what hours it acts."""

from __future__ import annotations

import numpy as np

from mqlml.features import rhythm_kernel
from mqlml.features.action_counts import count_ranks, over_windows, slot_names, sum_in_windows, whole_values
from mqlml.features.acts import ActionsPlan, Acts, Group
from mqlml.features.catalogue import Feature, feature_name, say_length, say_word, window_part
from mqlml.features.compiled import Numbers
from mqlml.features.vocabulary import OTHER

__all__ = ["DECAY", "RHYTHM", "VISITS"]

_ACTS = ("events.action", "events.occurred_at")
_TIMES = ("events.occurred_at",)
_MINUTE = 60_000_000


def _describe_decay(plan: ActionsPlan) -> list[Feature]:
    features: list[Feature] = []
    for half_life in plan.half_lives:
        aggregate = f"faded_{window_part(half_life).replace('.', '_')}"
        told = f"each counting half after {say_length(half_life)}"
        for word, part, kept in (*slot_names(plan), (None, "any", ())):
            acts = {None: "Acts of any kind", OTHER: "Other acts"}.get(
                word
            ) or f"Acts “{say_word(word or '')}”"
            features.append(
                Feature(
                    name=feature_name("actions", part, aggregate),
                    family="actions",
                    sentence=f"{acts}, {told}",
                    source=_ACTS,
                    words=kept,
                )
            )
    return features


def _write_decay(acts: Acts, plan: ActionsPlan, out: Numbers, column: int) -> None:
    walk, slots = acts.walk, len(plan.actions.slots)
    place = (walk.unit, walk.turn, walk.row, walk.stop, walk.cutoff, walk.occurred)
    every = np.zeros(len(walk.occurred), np.int32)
    for half_life in plan.half_lives:
        rhythm_kernel.fade_words(*place, acts.slot, slots, half_life, out, column)
        rhythm_kernel.fade_words(*place, every, 1, half_life, out, column + slots)
        column += slots + 1


def _describe_visits(plan: ActionsPlan) -> list[Feature]:
    if not plan.visits:
        return []
    source = ("events.value", *_TIMES) if plan.seconds else _TIMES
    said = (
        "Minutes on site, as the acts' values tell" if plan.seconds else "Minutes between the acts of visits"
    )
    return [
        *over_windows(plan, "any", "return_visits", "Visits after the first one", _TIMES),
        *over_windows(plan, "any", "time_on_site", said, source),
        *over_windows(plan, "any", "acts_per_visit", "Acts a visit", _TIMES),
    ]


def _write_visits(acts: Acts, plan: ActionsPlan, out: Numbers, column: int) -> None:
    walk, start, stop, windows = acts.walk, acts.start, acts.walk.stop, len(plan.windows)
    session = acts.ranks[1]
    begins = np.zeros(len(session), np.int64)  # 1 where a visit begins
    begins[:1] = 1
    begins[1:] = session[1:] != session[:-1]
    after = np.minimum(start + 1, stop)
    returns = sum_in_windows(begins, after, stop)
    if len(session):  # a visit that the window cuts counts too
        cut = np.minimum(start, len(session) - 1)
        first_visit = session[np.minimum(np.repeat(walk.unit[:-1], np.diff(walk.turn)), len(session) - 1)]
        returns += (start < stop) & (session[cut] != first_visit)
    out[walk.row, column : column + windows] = returns.T
    column += windows
    if plan.seconds:
        minutes = sum_in_windows(whole_values(walk, acts.values)[0], start, stop) / _MINUTE
    else:
        stays = np.diff(walk.occurred, prepend=0) * (1 - begins)
        minutes = sum_in_windows(stays, after, stop) / _MINUTE
    out[walk.row, column : column + windows] = minutes.T
    column += windows
    visits = count_ranks(session, start, stop)
    depth = np.where(visits > 0, (stop - start) / np.maximum(visits, 1), np.nan)
    out[walk.row, column : column + windows] = depth.T


def _describe_rhythm(plan: ActionsPlan) -> list[Feature]:
    told = (
        ("longest_silence", "Days of the longest silence since the first act"),
        ("same_hour", "Chance that two of its visits begin in the same hour of the day"),
        ("same_weekday", "Chance that two of its visits begin on the same weekday"),
        ("office_hours", "Share of visits that begin in office hours (weekdays, 8 to 18)"),
    )
    return [
        Feature(feature_name("actions", "any", aggregate), "actions", sentence, source=_TIMES)
        for aggregate, sentence in (told if plan.rhythm else ())
    ]


def _write_rhythm(acts: Acts, _plan: ActionsPlan, out: Numbers, column: int) -> None:
    walk = acts.walk
    place = (walk.unit, walk.turn, walk.row, walk.stop, walk.cutoff, walk.occurred)
    rhythm_kernel.write_rhythm(*place, acts.local, acts.ranks[1], out, column)


DECAY = Group(_describe_decay, _write_decay)
VISITS = Group(_describe_visits, _write_visits)
RHYTHM = Group(_describe_rhythm, _write_rhythm)
