"""Roles: which attribute is the mail address, the job title, the company's size, the phone number."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from mqlml.config import Profile
from mqlml.features.attributes import check_columns, is_text, plain_name, read_text
from mqlml.features.known import Attribute

__all__ = ["Roles", "find_email", "find_roles"]

_USUAL = {
    "email": {
        "business_email",
        "contact_email",
        "e_mail",
        "email",
        "email_address",
        "email_domain",
        "emailaddress",
        "mail",
        "mail_address",
        "mail_domain",
        "work_email",
    },
    "job_title": {"job", "job_role", "job_title", "jobtitle", "position", "role", "title"},
    "company_size": {
        "company_headcount",
        "company_size",
        "companysize",
        "employee_count",
        "employee_range",
        "employees",
        "headcount",
        "no_of_employees",
        "num_employees",
        "number_of_employees",
        "numberofemployees",
        "organisation_size",
        "organization_size",
    },
    "phone": {
        "business_phone",
        "contact_phone",
        "mobile",
        "mobile_phone",
        "phone",
        "phone_number",
        "phonenumber",
        "tel",
        "telephone",
        "work_phone",
    },
}


@dataclass(frozen=True)
class Roles:
    """The attributes that are parsed; None where there is none."""

    email: Attribute | None = None
    job_title: Attribute | None = None
    company_size: Attribute | None = None
    phone: Attribute | None = None


def find_email(table: pd.DataFrame, profile: Profile, refused: Collection[str] = ()) -> str | None:
    """The column of mail addresses: the one the config names, or one with a usual name that holds addresses."""
    if profile.email is not None:
        check_columns([profile.email], list(table.columns), "profile.email")
        return None if profile.email in refused else profile.email
    column = _usual(table, "email", profile, refused)
    if column is None:
        return None
    texts = read_text(table, column)[1]
    return column if sum("." in text for text in texts) > len(texts) / 2 else None


def _usual(table: pd.DataFrame, role: str, profile: Profile, refused: Collection[str]) -> str | None:
    columns = [str(column) for column in table.columns]
    if role == "company_size":  # a number says more than a range
        numbers = [column for column in columns if not is_text(table[column])]
        columns = [*numbers, *(column for column in columns if column not in numbers)]
    for column in columns:
        allowed = (profile.static == "auto" or column in profile.static) and column not in refused
        text = is_text(table[column]) or role in ("company_size", "phone")
        if allowed and text and plain_name(column) in _USUAL[role]:
            return column
    return None


def find_roles(
    leads: pd.DataFrame, profile: Profile, *, refused: Collection[str], table: str = "leads"
) -> Roles:
    """The attribute of each role: the one the config names, or one with a usual name.

    One that ``profile.history`` lists is read from the history, as of each cutoff.

    Parameters
    ----------
    leads : DataFrame, whose columns are looked at.
    profile : config section
    refused : attributes that the audit refused: they have no role.
    table : what the catalogue calls ``leads``.

    Raises
    ------
    ConfigError
        If the config names a column that is not there.
    """
    found: dict[str, Attribute] = {}
    for role in _USUAL:
        named = getattr(profile, role)
        changing = [name for name in profile.history if name == named or plain_name(name) in _USUAL[role]]
        if changing and (named is None or named in changing):
            if changing[0] not in refused:
                found[role] = Attribute(changing[0], "history")
            continue
        if role == "email":
            column = find_email(leads, profile, refused)
        elif named is not None:
            check_columns([named], list(leads.columns), f"profile.{role}")
            column = None if named in refused else named
        else:
            column = _usual(leads, role, profile, refused)
        if column is not None:
            found[role] = Attribute(column, "flat" if table == "flat" else "leads")
    return Roles(**found)
