"""Profile: who the lead is, from attributes that were known at the cutoff."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.features.attributes import (
    Attributes,
    check_columns,
    choose_attributes,
    find_email,
    find_job_title,
    is_filled,
    read_domains,
    read_numbers,
    read_text,
)
from mqlml.features.builder import Block, Builder, Evidence, LeftOut, Source
from mqlml.features.catalogue import Feature, feature_name, name_parts, say_word
from mqlml.features.history import read_numbers_as_of, read_text_as_of
from mqlml.features.job_title import title_function, title_seniority
from mqlml.features.mail_domain import mail_kind
from mqlml.features.vocabulary import MISSING
from mqlml.features.windows import to_micros
from mqlml.timeutil import DAY

__all__ = ["BUILDER", "ProfilePlan"]

_NOT_ATTRIBUTES = ("lead_id", "account_id", "created_at", "recorded_at")
_PARSED = (
    ("email", "mail_domain", "kind", "Mail address: free, corporate or missing", read_domains, mail_kind),
    ("job_title", "job_title", "seniority", "Seniority, from the job title", read_text, title_seniority),
    ("job_title", "job_title", "function", "Function, from the job title", read_text, title_function),
)


@dataclass(frozen=True)
class ProfilePlan:
    """What the profile family learned.

    Attributes
    ----------
    static : lead attributes that are features as they are.
    history : attributes read from the history table as of the cutoff.
    counted : lead attributes whose filled share is the completeness.
    email, job_title : the attributes that are parsed; None where there is none.
    """

    static: Attributes
    history: Attributes
    counted: tuple[str, ...]
    email: str | None
    job_title: str | None


def _plan(evidence: Evidence) -> tuple[ProfilePlan, list[LeftOut]]:
    profile, leads, refused = evidence.config.profile, evidence.leads, evidence.refused
    attributes = [column for column in leads.columns if column not in _NOT_ATTRIBUTES]
    if profile.static == "auto":
        named = [column for column in attributes if column not in profile.history]
    else:
        check_columns(profile.static, attributes, "profile.static")
        named = [column for column in attributes if column in profile.static]
    left_out = [(column, "refused by the leakage audit") for column in named if column in refused]
    columns = [column for column in named if column not in refused]
    email = find_email(leads, profile, refused)
    title = find_job_title(leads, profile, refused)
    static, unfit = choose_attributes(leads, columns)
    unfit = [
        (column, f"{reason}; parsed instead" if column in (email, title) else reason)
        for column, reason in unfit
    ]
    history, unfit_history = _plan_history(evidence)
    plan = ProfilePlan(static, history, tuple(columns), email, title)
    return plan, left_out + unfit + unfit_history


def _plan_history(evidence: Evidence) -> tuple[Attributes, list[LeftOut]]:
    named = evidence.config.profile.history
    if not named:
        return Attributes((), ()), []
    check_columns(named, sorted(evidence.history_fields), "profile.history")
    left_out = [
        (f"history.{name}", "refused by the leakage audit") for name in named if name in evidence.refused
    ]
    columns = {}
    for name in named:
        if name not in evidence.refused:
            values = evidence.history.loc[evidence.history["field"] == name, "value"].reset_index(drop=True)
            numbers = pd.to_numeric(values, errors="coerce")
            columns[name] = values if numbers.isna().gt(values.isna()).any() else numbers
    chosen, unfit = choose_attributes(pd.DataFrame(columns), list(columns))
    return chosen, left_out + [(f"history.{column}", reason) for column, reason in unfit]


Codes = tuple[npt.NDArray[np.int32], tuple[str, ...]]
Column = tuple[Feature, Callable[[Source], npt.NDArray[np.floating] | Codes]]
"""A feature, and how its values are read: numbers per snapshot, or codes per snapshot and their texts."""


def _columns(plan: ProfilePlan) -> Iterator[Column]:
    make = partial(Feature, family="profile")
    names = (*plan.static.numbers, *plan.static.categories, *plan.history.numbers, *plan.history.categories)
    parts = name_parts(tuple(dict.fromkeys(names)), reserved=("lead", "mail_domain"))
    for table, attributes in (("leads", plan.static), ("history", plan.history)):
        for column in (*attributes.numbers, *attributes.categories):
            number = column in attributes.numbers
            feature = make(
                name=feature_name("profile", parts[column], "value" if table == "leads" else "as_of"),
                sentence=_sentence(column) + ("" if table == "leads" else ", as known at the time"),
                kind="number" if number else "category",
                source=(f"{table}.{column}",),
                words=() if parts[column] == column else (column,),
            )
            if table == "history":
                yield feature, partial(read_numbers_as_of if number else read_text_as_of, field=column)
            else:
                yield feature, partial(_read_number if number else _read_text, column=column)
    for field, what, aggregate, said, read, parse in _PARSED:
        attribute = getattr(plan, field)
        if attribute is not None:
            feature = make(
                name=feature_name("profile", what, aggregate),
                sentence=said,
                kind="category",
                source=(f"leads.{attribute}",),
            )
            yield feature, partial(_read_parsed, column=attribute, read=read, parse=parse)
    if plan.counted:
        feature = make(
            name=feature_name("profile", "lead", "completeness"),
            sentence="Share of the profile that is filled in",
            source=tuple(f"leads.{column}" for column in plan.counted),
        )
        yield feature, partial(_read_completeness, columns=plan.counted)
    feature = make(
        name=feature_name("profile", "lead", "age"),
        sentence="Days since the lead was created",
        source=("leads.created_at",),
    )
    yield feature, _read_age


def _sentence(column: str) -> str:
    said = say_word(column)
    return said[:1].upper() + said[1:]


def _read_number(source: Source, *, column: str) -> npt.NDArray[np.float32]:
    return read_numbers(source.leads, column)[source.lead_row]


def _read_text(source: Source, *, column: str) -> Codes:
    codes, texts = read_text(source.leads, column)
    return codes[source.lead_row], texts


def _read_parsed(
    source: Source, *, column: str, read: Callable[[pd.DataFrame, str], Codes], parse: Callable[[str], str]
) -> Codes:
    codes, texts = read(source.leads, column)
    parsed = [*(parse(text) for text in texts), MISSING]
    kinds = tuple(sorted(set(parsed)))
    table = np.array([kinds.index(kind) for kind in parsed], np.int32)
    return table[codes[source.lead_row]], kinds


def _read_completeness(source: Source, *, columns: tuple[str, ...]) -> npt.NDArray[np.float64]:
    leads = source.leads
    filled = sum(
        (is_filled(leads, column).astype(np.int64) for column in columns), np.zeros(len(leads), np.int64)
    )
    return (filled / len(columns))[source.lead_row]


def _read_age(source: Source) -> npt.NDArray[np.float64]:
    created = to_micros(source.leads["created_at"])
    return (source.asked.cutoff - created[source.lead_row]) / DAY


def _describe(plan: ProfilePlan) -> tuple[Feature, ...]:
    return tuple(feature for feature, _ in _columns(plan))


def _write(source: Source, plan: ProfilePlan, block: Block) -> None:
    if len(source.leads) == 0:  # then nothing was asked for, either
        return
    known = source.lead_row >= 0
    place = 0
    for feature, read in _columns(plan):
        values = read(source)
        if isinstance(values, tuple):
            codes, texts = values
            block.category(feature.name, texts)[known] = codes[known]
        else:
            block.numbers[:, block.first + place] = np.where(known, values, np.nan)
            place += 1


BUILDER = Builder("profile", _plan, _describe, from_leads=_write)
