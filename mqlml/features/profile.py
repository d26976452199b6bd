"""Profile: who the lead is, from attributes that were known at the cutoff."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.features.attributes import Attributes, check_columns, choose_attributes
from mqlml.features.builder import Builder, Evidence, LeftOut, Source
from mqlml.features.catalogue import Feature, Signal, name_parts
from mqlml.features.columns import Piece
from mqlml.features.derived import AS_OF, DerivedPlan, derived_pieces, plan_derived, read_piece
from mqlml.features.job_title import read_titles, share_known
from mqlml.features.known import NOT_ATTRIBUTES, Attribute, read_known_numbers, read_known_text
from mqlml.features.roles import Roles, find_roles
from mqlml.features.wording import Named, Since, say_word, upper_first
from mqlml.times import DAY, column_to_microseconds

__all__ = ["BUILDER", "ProfilePlan"]

_MOST_TITLES, _KNOWN_TITLES = 30, 0.8
"""Of more titles than these, each says on few leads what its seniority and function say on many, if they are known of
so many. On 50,000 simulated leads with 151 titles the logistic part reached 0.839 of the oracle's gain without them
and 0.833 with them."""


@dataclass(frozen=True)
class ProfilePlan:
    """What the profile family learned.

    Attributes
    ----------
    static : lead attributes that are features as they are.
    history : attributes read from the history table as of the cutoff.
    derived : what is read out of them: kinds, bands, personas, completeness.
    age : whether the lead's age is one.
    """

    static: Attributes
    history: Attributes
    derived: DerivedPlan
    age: bool


def _plan(evidence: Evidence) -> tuple[ProfilePlan | None, list[LeftOut]]:
    profile, leads, refused = evidence.config.profile, evidence.leads, evidence.refused
    attributes = [column for column in leads.columns if column not in NOT_ATTRIBUTES]
    if profile.static == "auto":
        named = [column for column in attributes if column not in profile.history]
    else:
        check_columns(profile.static, attributes, "profile.static")
        named = [column for column in attributes if column in profile.static]
    left_out = [(column, "refused by the leakage audit") for column in named if column in refused]
    columns = [column for column in named if column not in refused]
    history, unfit_history = _plan_history(evidence)
    roles = find_roles(leads, profile, refused=refused)
    parsed = [role.name for role in (roles.email, roles.job_title, roles.company_size, roles.phone) if role]
    static, unfit = choose_attributes(leads, columns, most=_most_texts(evidence, roles))
    unfit = [
        (column, f"{reason}; parsed instead" if column in parsed else reason) for column, reason in unfit
    ]
    derived = plan_derived(evidence.config, roles=roles, columns=columns, refused=refused)
    plan = ProfilePlan(static, history, derived, evidence.config.features.groups.age)
    return (plan if any(_pieces(plan)) else None), left_out + unfit + unfit_history


def _most_texts(evidence: Evidence, roles: Roles) -> dict[str, int]:
    """How many different texts an attribute may hold, where that is not as many as for any other."""
    profile, title = evidence.config.profile, roles.job_title
    if title is None or title.name not in evidence.leads:
        return {}
    known = share_known(evidence.leads[title.name], read_titles(profile, evidence.config.folder))
    return {title.name: _MOST_TITLES} if known >= _KNOWN_TITLES else {}


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


def _pieces(plan: ProfilePlan) -> Iterator[Piece]:
    names = (*plan.static.numbers, *plan.static.categories, *plan.history.numbers, *plan.history.categories)
    personas = [f"persona_{persona.name}" for persona in plan.derived.personas]
    parts = name_parts(tuple(dict.fromkeys(names)), reserved=("lead", "mail_domain", *personas))
    for table, attributes in (("leads", plan.static), ("history", plan.history)):
        for column in (*attributes.numbers, *attributes.categories):
            number = column in attributes.numbers
            attribute = Attribute(column, "leads" if table == "leads" else "history")
            feature = Feature(
                "profile",
                parts[column],
                "value" if table == "leads" else "as_of",
                Named(upper_first(say_word(column)), aside="" if table == "leads" else AS_OF),
                "number" if number else "category",
                missing="not_given",
                source=(attribute.source,),
                words=() if parts[column] == column else (column,),
            )
            read = read_known_numbers if number else read_known_text
            yield read_piece(feature, partial(read, attribute=attribute))
    yield from derived_pieces(plan.derived)
    if plan.age:
        own, source = (
            Signal("profile", "age"),
            ("leads.created_at",),
        )  # its name is shared with the completeness
        age = Feature(
            "profile", "lead", "age", Since("the lead was created"), "age", source=source, signal=own
        )
        yield read_piece(age, _read_age)


def _read_age(source: Source) -> npt.NDArray[np.float64]:
    created = np.append(column_to_microseconds(source.leads["created_at"]), 0)
    age: npt.NDArray[np.float64] = (source.asked.cutoff - created[source.lead_row]) / DAY
    return age


BUILDER = Builder("profile", _plan, _pieces)
