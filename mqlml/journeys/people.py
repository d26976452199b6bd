"""Whom the leads stand for: leads that a rule leaves out, and leads that are one person twice."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import pandas as pd

from mqlml.config import Profile
from mqlml.errors import PopulationError
from mqlml.journeys.contract import FlatTable, Journeys
from mqlml.journeys.quarantine import Notice, NoticeKind
from mqlml.texts import normalize_name
from mqlml.times import column_to_microseconds
from mqlml.types import Codes, Ints, Mask

__all__ = [
    "EMAIL_NAMES",
    "PHONE_NAMES",
    "Duplicates",
    "count_exclusions",
    "find_duplicates",
    "leave_out",
]

EMAIL_NAMES = frozenset(
    {
        "business_email", "contact_email", "e_mail", "email", "email_address", "email_domain", "emailaddress",
        "mail", "mail_address", "mail_domain", "work_email",
    }
)  # fmt: skip
PHONE_NAMES = frozenset(
    {
        "business_phone", "contact_phone", "mobile", "mobile_phone", "phone", "phone_number", "phonenumber",
        "tel", "telephone", "work_phone",
    }
)  # fmt: skip
"""Usual names of the columns of email addresses and of phones, as `normalize_name` writes them."""


@overload
def leave_out(data: Journeys, reasons: pd.Series) -> Journeys: ...
@overload
def leave_out(data: FlatTable, reasons: pd.Series) -> FlatTable: ...
def leave_out(data: Journeys | FlatTable, reasons: pd.Series) -> Journeys | FlatTable:
    """The data without some leads and all their rows.

    Parameters
    ----------
    reasons : why each lead is left out, aligned with ``data.leads``; missing for those that stay.

    Raises
    ------
    PopulationError
        If nobody is left.
    """
    out = reasons.notna().to_numpy()
    if not out.any():
        return data
    notices = (*data.notices, *count_exclusions(reasons))
    if isinstance(data, FlatTable):
        return replace(
            data,
            leads=data.leads[~out].reset_index(drop=True),
            label=data.label[~out].reset_index(drop=True),
            order=data.order[~out].reset_index(drop=True),
            times=None if data.times is None else data.times[~out].reset_index(drop=True),
            notices=notices,
        )
    left_out = data.leads["lead_id"][out]

    def rest(table: pd.DataFrame) -> pd.DataFrame:
        return table[~table["lead_id"].isin(left_out)].reset_index(drop=True)

    return replace(
        data,
        leads=rest(data.leads),
        events=rest(data.events),
        outcomes=rest(data.outcomes),
        history=rest(data.history),
        notices=notices,
        merged=data.merged.without(out),
    )


def count_exclusions(reasons: pd.Series, kind: NoticeKind = "excluded") -> tuple[Notice, ...]:
    """How many leads are left out for each reason.

    Raises
    ------
    PopulationError
        If all are.
    """
    counts = reasons.value_counts()
    setting, wrong = ("rules.exclude", "the rule") if kind == "excluded" else ("data.data_as_of", "the date")
    if len(reasons) and counts.sum() == len(reasons):
        raise PopulationError(
            f"{setting} must leave leads to learn from; it leaves out all {len(reasons):,}. Correct {wrong}"
        )
    return tuple(Notice(kind, "leads", "", int(n), int(n), (str(why),)) for why, n in counts.items())


_MOST = 5
"""An address or number that more leads share is a placeholder or a switchboard, not one person's."""

SPACES = "\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space, written out: with its short form pandas compares one text after another in Python."""

_ADDRESS = rf"[^@{SPACES}]+@[^@{SPACES}]+\.[^@{SPACES}]+"
_NUMBER = r"\d{7,15}"
_ONE_DIGIT = "|".join(f"{digit}+" for digit in range(10))


@dataclass(frozen=True)
class Duplicates:
    """Leads that share an email address or phone with an older lead.

    Attributes
    ----------
    newer, older : places of leads; ``older`` is the first created of all that share it.
    email, phone : the columns that tell, None where the leads have none.
    by_phone : whether a pair is told by its phone.
    """

    newer: Codes
    older: Codes
    by_phone: Mask
    email: str | None
    phone: str | None

    def without(self, merged: Collection[int]) -> Duplicates:
        """The pairs whose newer lead is not among some that are merged anyway."""
        stay = ~np.isin(self.newer, list(merged))
        return replace(self, newer=self.newer[stay], older=self.older[stay], by_phone=self.by_phone[stay])

    def notices(self, *, merged: bool) -> tuple[Notice, ...]:
        """What to tell people, one notice for each column."""
        counts = ((self.email, int((~self.by_phone).sum())), (self.phone, int(self.by_phone.sum())))
        kind: NoticeKind = "duplicates_merged" if merged else "duplicates"
        return tuple(
            Notice(kind, "leads", column, n, n) for column, n in counts if column is not None and n > 0
        )


def find_duplicates(leads: pd.DataFrame, profile: Profile) -> Duplicates:
    """Find leads that are one person: they share an email address, or a phone if no two addresses contradict it.

    Colleagues share a phone, too, so those with an address each are several people.

    Parameters
    ----------
    leads : attributes as columns; those created first come first among themselves, or all where it does not say.
    profile : names the columns, where they have no usual name.
    """
    email = _find(leads, profile.email, EMAIL_NAMES - {"email_domain", "mail_domain"})
    phone = _find(leads, profile.phone, PHONE_NAMES)
    none = np.full(len(leads), -1, dtype=np.int64)
    mails = none if email is None else _code(_addresses(leads[email]))
    phones = none if phone is None else _code(_numbers(leads[phone]))
    person = _persons(mails, phones)
    size = np.bincount(person[person >= 0], minlength=1)
    rows = np.flatnonzero((person >= 0) & (size[person] > 1) & (size[person] <= _MOST))
    created = column_to_microseconds(leads["created_at"]) if "created_at" in leads else np.arange(len(leads))
    rows = rows[np.lexsort((rows, created[rows], person[rows]))]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = person[rows[1:]] != person[rows[:-1]]
    older = rows[first][np.cumsum(first) - 1]
    newer, older = rows[~first], older[~first]
    by_phone = (mails[newer] < 0) | (mails[older] < 0)
    return Duplicates(newer.astype(np.int32), older.astype(np.int32), by_phone, email, phone)


def _find(leads: pd.DataFrame, named: str | None, usual: Collection[str]) -> str | None:
    if named is not None:
        return named if named in leads else None
    return next((str(column) for column in leads if normalize_name(str(column)) in usual), None)


def _addresses(values: pd.Series) -> pd.Series:
    """Email addresses in one form; missing where a text is none."""
    text = values.astype("str").str.strip().str.lower()
    return text.where(text.str.fullmatch(_ADDRESS).fillna(False))


def _numbers(values: pd.Series) -> pd.Series:
    """Phone numbers as digits; missing where a text can be none."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        whole = values.where(values.abs() < 1e15)
        digits = whole.round().astype("Int64").astype("str").where(whole.notna())
    else:
        digits = values.astype("str").str.replace(r"\D", "", regex=True)
    digits = digits.str.replace(r"^00", "", regex=True)
    good = digits.str.fullmatch(_NUMBER) & ~digits.str.fullmatch(_ONE_DIGIT)
    return digits.where(good.fillna(False))


def _code(values: pd.Series) -> Ints:
    codes: Ints = pd.factorize(values)[0].astype(np.int64)
    return codes


def _persons(mails: Ints, phones: Ints) -> Ints:
    """A number for each lead's person, -1 where nothing tells: its address, or where it has none its phone's."""
    n_mails, n_phones = int(mails.max(initial=-1)) + 1, int(phones.max(initial=-1)) + 1
    both = (mails >= 0) & (phones >= 0)
    lowest, highest = np.full(n_phones, n_mails), np.full(n_phones, -1)
    np.minimum.at(lowest, phones[both], mails[both])
    np.maximum.at(highest, phones[both], mails[both])
    of_phone = np.where(highest < 0, n_mails + np.arange(n_phones), np.where(lowest == highest, highest, -1))
    person = mails.copy()
    only = (mails < 0) & (phones >= 0)
    person[only] = of_phone[phones[only]]
    return person
