"""Undesirables: what speaks against a lead: unwelcome acts, silence, a student's or a private address."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from mqlml.features import kernel
from mqlml.features.attributes import find_email, find_job_title, read_domains, read_text
from mqlml.features.bad_acts import is_undesirable
from mqlml.features.builder import Block, Builder, Evidence, LeftOut, Source
from mqlml.features.catalogue import (
    Feature,
    Window,
    feature_name,
    name_parts,
    say_acts,
    say_window,
    say_word,
    window_part,
)
from mqlml.features.job_title import is_student
from mqlml.features.mail_domain import mail_kind
from mqlml.features.vocabulary import Vocabulary, learn_vocabulary
from mqlml.features.windows import Events, Walk

__all__ = ["BUILDER", "UndesirablesPlan"]


@dataclass(frozen=True)
class UndesirablesPlan:
    """What the undesirables family learned.

    Attributes
    ----------
    acts : the undesirable actions with features of their own; the others count in ``any`` only.
    listed : the actions the config lists; None for the built-in patterns.
    windows : lookback windows, shortest first.
    silence : whether there are events to be silent between.
    email, job_title : the lead attributes the flags are read from; None where there is none.
    """

    acts: tuple[str, ...]
    listed: tuple[str, ...] | None
    windows: tuple[Window, ...]
    silence: bool
    email: str | None
    job_title: str | None


def _plan(evidence: Evidence) -> tuple[UndesirablesPlan | None, list[LeftOut]]:
    settings = evidence.config.features
    listed = None if settings.undesirable_actions is None else tuple(settings.undesirable_actions)
    acts: tuple[str, ...] = ()
    left_out: list[LeftOut] = []
    silence = evidence.has_events
    if silence:
        acts = learn_vocabulary(
            evidence.count_words("action"),
            most=settings.max_actions,
            include=lambda word: is_undesirable(word, listed),
        ).words
        for word in listed or ():
            if not evidence.knows_word("action", word):
                left_out.append(
                    (f"events.action={word}", "listed as undesirable, but no event has this action")
                )
    email = find_email(evidence.leads, evidence.config.profile, evidence.refused)
    title = find_job_title(evidence.leads, evidence.config.profile, evidence.refused)
    if not (silence or email or title):
        return None, left_out
    plan = UndesirablesPlan(acts, listed, tuple(evidence.config.windows), silence, email, title)
    return plan, left_out


def _describe(plan: UndesirablesPlan) -> tuple[Feature, ...]:
    make = partial(Feature, family="undesirables")
    source = ("events.action", "events.occurred_at")
    parts = name_parts(plan.acts, reserved=("any", "silence"))
    features: list[Feature] = []
    if plan.acts:
        for word in (*plan.acts, None):
            part = "any" if word is None else parts[word]
            kept = () if word is None or part == word else (word,)
            said = "Undesirable acts of any kind" if word is None else say_acts(word)
            for window in plan.windows:
                features.append(
                    make(
                        name=feature_name("undesirables", part, "count", window_part(window)),
                        sentence=f"{said} {say_window(window)}",
                        window=window_part(window),
                        source=source,
                        words=kept,
                    )
                )
        for word in (*plan.acts, None):
            part = "any" if word is None else parts[word]
            features.append(
                make(
                    name=feature_name("undesirables", part, "days_since"),
                    sentence="Days since the last "
                    + ("undesirable act" if word is None else f"“{say_word(word)}”"),
                    source=source,
                    words=() if word is None or part == word else (word,),
                )
            )
    if plan.silence:
        features.append(
            make(
                name=feature_name("undesirables", "silence", "days"),
                sentence="Days of silence: since anything at all happened",
                source=("events.occurred_at",),
            )
        )
    if plan.email:
        features.append(
            make(
                name=feature_name("undesirables", "free_mail", "flag"),
                sentence="Writes from a free mail address (1 yes, 0 no)",
                source=(f"leads.{plan.email}",),
            )
        )
    if plan.job_title:
        features.append(
            make(
                name=feature_name("undesirables", "student", "flag"),
                sentence="Is a student or a pupil by job title (1 yes, 0 no)",
                source=(f"leads.{plan.job_title}",),
            )
        )
    return tuple(features)


def _events_columns(plan: UndesirablesPlan) -> int:
    return (len(plan.acts) + 1) * (len(plan.windows) + 1) if plan.acts else 0


def _write_events(walk: Walk, events: Events, plan: UndesirablesPlan, block: Block) -> None:
    out = block.numbers
    if plan.silence:
        every = np.zeros(len(walk.occurred), np.int32)
        kernel.write_days_since(
            walk.unit,
            walk.turn,
            walk.row,
            walk.stop,
            walk.cutoff,
            walk.occurred,
            every,
            1,
            out,
            block.first + _events_columns(plan),
        )
    if not plan.acts:
        return
    action = events.words("action")
    listed = len(plan.acts)
    slot = Vocabulary(plan.acts, missing=False).look_up(
        action, lambda word: is_undesirable(word, plan.listed)
    )
    slot[-1] = -1
    word = slot[action.codes[walk.order]]
    counted = word >= 0
    bad, word = walk.only(counted), word[counted]
    start = bad.starts(plan.windows)
    windows = len(plan.windows)
    place = (bad.unit, bad.turn, bad.row)
    any_act = np.zeros(len(word), np.int32)
    own = np.where(word < listed, word, np.int32(-1))
    kernel.count_words(*place, start, bad.stop, own, listed, out, block.first)
    kernel.count_words(*place, start, bad.stop, any_act, 1, out, block.first + listed * windows)
    column = block.first + (listed + 1) * windows
    kernel.write_days_since(*place, bad.stop, bad.cutoff, bad.occurred, own, listed, out, column)
    kernel.write_days_since(*place, bad.stop, bad.cutoff, bad.occurred, any_act, 1, out, column + listed)


def _write_leads(source: Source, plan: UndesirablesPlan, block: Block) -> None:
    column = block.first + _events_columns(plan) + plan.silence
    flags_of = ((plan.email, read_domains, _free_mail), (plan.job_title, read_text, _student))
    for attribute, read, flag in flags_of:
        if attribute is not None:
            codes, texts = read(source.leads, attribute)
            flags = np.array([*map(flag, texts), np.nan], np.float32)
            rows = np.append(codes, -1)[source.lead_row]
            block.numbers[:, column] = flags[rows]
            column += 1


def _free_mail(text: str) -> float:
    kind = mail_kind(text)
    return np.nan if kind == "missing" else float(kind == "free")


def _student(text: str) -> float:
    return float(is_student(text))


BUILDER = Builder("undesirables", _plan, _describe, lambda plan: plan.windows, _write_events, _write_leads)
