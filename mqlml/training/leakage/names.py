"""Names and identifiers: what a column is called, and whether its values only tell who a lead is."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.training.leakage.findings import Clue
from mqlml.training.leakage.univariate import filled_rows

__all__ = ["check_action_name", "check_identifier", "check_name", "split_words"]

_ENOUGH = 50
"""Fewer filled rows than this can all differ by chance."""

_OWN = 0.95
"""A column of codes is an identifier if at least this share of its filled rows has a value of its own."""

_COLLISIONS = 14.0
"""Numbers drawn at random from their range collide this often on average, and never once in a million times
(``exp(-14)``), however they are distributed; numbers that still all differ were given out one by one."""

_CODE = re.compile(r"(?!\d{4}-\d\d-\d\d)(?=.*\d)[0-9A-Za-z_:-]{4,}")
"""A single word with a digit, no date: a code, not a person's name or an email address that can be parsed."""

_SOME = 2_000


def check_identifier(values: pd.Series) -> Clue | None:
    """Whether a column holds one value per lead, given out as an identifier.

    Names, email addresses and remarks are no codes; the choice of features decides on them. A number is an identifier
    only if chance cannot keep its values apart: revenues differ, too.
    """
    filled = values[filled_rows(values)]
    if len(filled) < _ENOUGH:
        return None
    # Counting all rows takes a while, and is not needed where a sample holds no codes or repeats itself.
    some = filled.iloc[:: max(len(filled) // _SOME, 1)]
    if some.nunique() < _OWN * len(some):
        return None
    numeric = values.dtype.kind in "fiub"
    if not (bool((some % 1 == 0).all()) if numeric else _are_codes(some)):
        return None
    distinct = int(filled.nunique())
    if distinct < _OWN * len(filled) or (numeric and not _is_counted(filled.to_numpy(np.float64), distinct)):
        return None
    return Clue(
        "identifier",
        f"nearly every lead has its own value ({distinct:,} different values in {len(filled):,} rows): an identifier "
        "tells who a lead is, not what it is like",
        {"distinct": distinct, "filled": len(filled)},
        "suspicious",  # no proof of a leak; refused because nothing can be learned from it
    )


def _are_codes(texts: pd.Series) -> bool:
    return bool(texts.astype("str").str.fullmatch(_CODE).mean() > _OWN)


def _is_counted(numbers: npt.NDArray[np.float64], distinct: int) -> bool:
    if distinct < len(numbers) or not np.isfinite(numbers).all():
        return False
    span = float(numbers.max() - numbers.min()) + 1
    return math.comb(len(numbers), 2) / span >= _COLLISIONS


_SALES = "is changed by sales"
_GRADE = "is a grade given by sales"
_TOOL = "is a score that is updated later"
_GIVEN = "is assigned by sales"
_DEAL = "exists once there is a deal"
_ENDS = "is written when a deal ends"
_OUTCOME = "is the outcome"
_MOVES = "is overwritten as the journey goes on"

_AFTERWARDS: dict[str, str] = {
    **dict.fromkeys(("last", "latest", "modified", "updated", "modstamp", "lastmodifieddate"), _MOVES),
    **dict.fromkeys(("stage", "status", "lifecycle", "lifecyclestage", "pipeline", "forecast"), _SALES),
    **dict.fromkeys(("leadstatus", "leadstage", "dealstage"), _SALES),
    **dict.fromkeys(("owner", "assigned", "assignee", "rep", "sdr", "bdr", "leadowner", "closer"), _GIVEN),
    **dict.fromkeys(("salesperson", "salesman", "salesrep", "salesagent", "seller"), _GIVEN),
    **dict.fromkeys(("reason", "close", "closed", "closing", "closedate", "churn", "churned"), _ENDS),
    **dict.fromkeys(("amount", "revenue", "arr", "mrr"), "is written when a deal is made"),
    **dict.fromkeys(
        ("deal", "deals", "opportunity", "opportunities", "contract", "invoice", "onboarding", "onboarded"),
        _DEAL,
    ),
    **dict.fromkeys(("convert", "converted", "conversion"), "is written at conversion"),
    **dict.fromkeys(("won", "win", "lost", "outcome"), _OUTCOME),
    **dict.fromkeys(
        ("disposition", "tag", "tags", "disqualified", "disqualification"), "is written by sales"
    ),
    **dict.fromkeys(("quality", "rating", "grade", "profile"), _GRADE),
    **dict.fromkeys(("score", "scoring", "leadscore", "hubspotscore"), _TOOL),
    **dict.fromkeys(("propensity", "einstein", "madkudu"), "is a prediction of another tool, updated later"),
}
"""Words in a column's name that mean it is written after the journey began, and the reason."""

_WITH_SALES = "is usually filled in during or after the sales contact"
_PREDICTION = "may be a prediction of another tool"
_PERSON = "may be the person in sales who has the lead"

_PERHAPS: dict[str, str] = {
    **dict.fromkeys(("user", "agent", "consultant", "manager", "advisor", "handler", "handled"), _PERSON),
    **dict.fromkeys(
        ("call", "calls", "meeting", "meetings", "attempts", "contacted", "followup"), _WITH_SALES
    ),
    **dict.fromkeys(("qualified", "qualification", "proposal", "quote", "quoted", "discount"), _WITH_SALES),
    **dict.fromkeys(("negotiation", "objection", "notes", "remarks", "duration", "bant"), _WITH_SALES),
    **dict.fromkeys(("probability", "likelihood", "predicted", "prediction", "predictive"), _PREDICTION),
    **dict.fromkeys(("temperature", "hotness", "priority"), "may be a grade given by sales"),
}
"""Words that may mean the same: their columns are noted, not refused."""

_HARMLESS: dict[str, set[str]] = {
    "last": {"name", "funding"},  # a surname; the company's last round
    "latest": {"funding"},
    "stage": {"funding", "company", "startup", "growth"},  # the company's, not the deal's
    "status": {"marital", "employment", "civil", "residence"},
    "owner": {"home", "house", "business", "car", "product"},
    "seller": {"type", "marketplace"},  # what the lead sells
    "reason": {"visit", "contact", "enquiry", "inquiry", "interest"},  # what a form asks
    "amount": {"requested", "loan", "desired", "funding", "raised"},
    "revenue": {"annual", "company", "yearly"},  # the company's size
    "arr": {"company"},
    "conversion": {"first"},  # the form by which the lead came
    "converted": {"first"},
    "profile": {"url", "linkedin", "link"},
    "rating": {"credit"},
    "score": {"credit", "test", "exam"},
    "quality": {"air", "data"},
    "rep": {"country"},
    "user": {
        "type",
        "agent",
        "count",
        "number",
        "base",
        "invited",
        "referred",
    },  # the browser, the size, a friend
    "agent": {"user"},
    "manager": {"is", "title"},
    "call": {"not", "preferred", "best", "requested", "back", "to"},  # what a form asks
    "meeting": {"preferred", "requested"},
    "quote": {"requested", "request"},
    "discount": {"code", "requested", "interest"},
    "duration": {"session", "visit", "contract", "trial", "loan", "employment"},
    "notes": {"lotus"},
    "qualification": {"education", "academic", "degree", "highest"},
    "temperature": {"air", "outside", "average"},
    "contacted": {"first"},
}
"""Words that make a suspicious one harmless in the same name."""

_INDEX = {"activity", "profile", "engagement", "lead", "fit", "interest", "intent", "behavior", "behaviour"}
"""With one of these, an ``index`` is a score; alone it is the place of a row."""

_TARGETS = ("target", "label", "y", "is_customer", "became_customer", "customer_flag", "is_success")
"""Whole names that people give to the target."""

_TRIMMINGS = {
    *("is", "has", "was", "flag", "date", "time", "at", "on", "by"),
    *("code", "label", "text", "copy", "final"),
}
"""Words that a copy of a column adds to its name."""

_BUYING: dict[str, str] = {
    **dict.fromkeys(
        ("purchase", "purchased", "checkout", "cart", "basket", "order", "ordered", "payment", "paid"),
        "is a step of the purchase itself",
    ),
    **dict.fromkeys(("invoice", "invoiced", "contract", "signed", "quote"), "comes with the deal"),
    **dict.fromkeys(("onboarding", "kickoff", "renewal", "upsell"), "comes after the deal"),
    **dict.fromkeys(("won", "lost", "closed", "converted", "conversion"), _OUTCOME),
}
"""Words in an event type's name that mean the conversion or what follows it."""

_HARMLESS_ACTIONS: dict[str, set[str]] = {
    "paid": {"search", "social", "ad", "ads", "click", "media", "campaign"},
    "order": {"sample", "samples", "catalogue", "catalog"},
    "cart": {"abandoned"},
}

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def split_words(name: str) -> list[str]:
    """The words of a name, whatever joins them: ``LifecycleStage``, ``lead_status``, ``Last Activity``."""
    return _WORDS.findall(name)


def _find_word(name: str, telling: dict[str, str], harmless: dict[str, set[str]]) -> tuple[str, str] | None:
    words = split_words(name)
    lower = {word.lower() for word in words}
    for word in words:
        reason = telling.get(word.lower())
        if reason is not None and not harmless.get(word.lower(), set()) & lower:
            return word, reason
    return None


def check_name(column: str, *, targets: Iterable[str] = (), written: Collection[str] = ()) -> Clue | None:
    """Whether a column's name means the outcome, or something written afterwards.

    Parameters
    ----------
    targets : names of the target, such as the label's column; a name of the same words is taken for a copy.
    written : columns of the outcomes table in the source; the same name in leads is taken for a copy.
    """
    words = [word.lower() for word in split_words(column)]
    for target in targets:
        repeated = {word.lower() for word in split_words(target)}
        if repeated and repeated <= set(words) and set(words) - repeated <= _TRIMMINGS:
            return _named(f"the name repeats what is predicted, {target!r}", target)
    if column in written:
        return _named(
            f"the outcomes table has a column {column!r}, too: it is written with the outcome", column
        )
    if "_".join(words) in _TARGETS:
        return _named(f"{column!r} is a usual name of what is to be predicted", column)
    if (found := _find_word(column, _AFTERWARDS, _HARMLESS)) is not None:
        return _named(f"the name says {found[0]!r}: such a column {found[1]}", found[0])
    if "index" in words and _INDEX & set(words):
        index = next(word for word in split_words(column) if word.lower() == "index")
        return _named(f"the name says {index!r}: such a column {_TOOL}", index)
    if (found := _find_word(column, _PERHAPS, _HARMLESS)) is not None:
        text = f"the name says {found[0]!r}: such a column {found[1]}"
        return Clue("name", text, {"word": found[0]}, "suspicious", refuses=False)
    return None


def check_action_name(action: str) -> Clue | None:
    """Whether an event type's name means the conversion itself; noted, not refused, since a checkout is known before
    its purchase. Another check reads its times."""
    found = _find_word(action, _BUYING, _HARMLESS_ACTIONS)
    if found is None:
        return None
    return Clue(
        "name", f"the name says {found[0]!r}: it {found[1]}", {"word": found[0]}, "suspicious", refuses=False
    )


def _named(text: str, word: str) -> Clue:
    return Clue("name", text, {"word": word}, "likely")
