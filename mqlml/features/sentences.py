"""Sentences: a feature and one lead's value of it go in, what a marketer would say of that lead comes out.

The catalogue's sentence names the quantity ("Pricing page visits in the last 7 days"); here the value is put into it
("3 pricing page visits in the last 7 days"). It is read by its own words, so a feature of the user's gets the same.
This stands with the catalogue, and not in a room after scoring, because the scores carry these sentences.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from mqlml.features.catalogue import Feature, say_acts
from mqlml.features.vocabulary import MISSING

__all__ = ["idea_of", "round_values", "say_value"]

FloatArray = npt.NDArray[np.float64]

_FLAG = " (1 yes, 0 no)"
_DAYS_SINCE = "Days since "
_COUNTED = re.compile(
    r"(count|active_days|sessions|distinct|switches|return_visits|created|active|high_intent|most_in)(_|$)"
)
_TAIL = re.compile(r" (in the last .*|so far)$")
_HEAD = re.compile(r"^(.*?)(?=$| of | through | with | that | from | to | after | acted |, )")
_LONGEST = 60

_SAME_IDEA = {
    ("actions", "any", "days_since"): ("undesirables", "silence"),
    ("profile", "lead", "age"): ("profile", "age"),
    ("undesirables", "free_mail", "flag"): ("profile", "mail_domain"),
    ("undesirables", "disposable_mail", "flag"): ("profile", "mail_domain"),
    ("undesirables", "invalid_mail", "flag"): ("profile", "mail_domain"),
    ("undesirables", "student", "flag"): ("profile", "job_title"),
}
"""Features that tell what others of another name tell too, so that one of them is enough as a reason; and the one
that shares its name's second part with another fact."""


def idea_of(feature: Feature) -> tuple[str, str]:
    """What a feature is about, whatever the window or aggregate: its family, and what is counted or known.

    >>> idea_of(Feature("actions__demo_request__count__7d", "actions", "Demo requests in the last 7 days"))
    ('actions', 'demo_request')
    """
    family, what, aggregate, *_ = (*feature.name.split("__"), feature.name, "")
    return _SAME_IDEA.get((family, what, aggregate), (feature.family, what))


def _aggregate(feature: Feature) -> str:
    return (*feature.name.split("__"), "", "")[2]


def _is_days(feature: Feature) -> bool:
    return feature.sentence.startswith(("Days since ", "Days of "))


def _is_share(feature: Feature) -> bool:
    return feature.sentence.startswith(("Share of ", "Chance that "))


def round_values(feature: Feature, values: npt.ArrayLike) -> FloatArray:
    """Numbers as they are said: whole days that have passed, whole percent of a share, else three digits.

    Values that are rounded to the same are said in the same sentence, and there are far fewer of them.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if _is_days(feature):
        return np.floor(numbers)
    if _is_share(feature):
        return np.round(numbers, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.floor(np.log10(np.abs(numbers)))
    unit = 10.0 ** np.where(np.isfinite(size), np.minimum(size - 2, 0), 0)
    rounded: FloatArray = np.round(numbers / unit) * unit
    return rounded


def say_value(feature: Feature, value: float | str | None, *, speaks_for: bool) -> str:
    """One lead's value in words.

    Parameters
    ----------
    feature : Feature
    value : float (NaN for missing), or for a category str or None
    speaks_for : bool
        Whether it raises the lead's probability: what was long ago is then "41 days ago", else "for 41 days not".

    Examples
    --------
    >>> visits = Feature("actions__visit__count__7d", "actions", "Page visits in the last 7 days")
    >>> say_value(visits, 3.0, speaks_for=True), say_value(visits, 0.0, speaks_for=False)
    ('3 page visits in the last 7 days', 'no page visits in the last 7 days')
    """
    if feature.kind == "category":
        return _say_category(feature, value)
    number = float("nan") if value is None else float(value)
    number = float(round_values(feature, number))
    said = feature.sentence
    if said.endswith(_FLAG):
        return _say_flag(said.removesuffix(_FLAG), number)
    if said.startswith(_DAYS_SINCE):
        return _say_days_since(said.removeprefix(_DAYS_SINCE), number, speaks_for)
    if said.startswith("Days of silence"):
        return _say_days_since("the last activity", number, speaks_for)
    if said.startswith("Days of "):
        return f"{_of(said, 'Days of ')}: " + ("not known" if np.isnan(number) else _days(number))
    if said.startswith("Share of ") and not np.isnan(number):
        return _say_share(said.removeprefix("Share of "), number)
    if _aggregate(feature) == "pace" and not np.isnan(number):
        much = "as many" if number == 0 else "more" if number > 0 else "fewer"
        return f"{much} acts in the last 7 days {'as' if number == 0 else 'than'} in the 7 days before"
    if _COUNTED.match(_aggregate(feature)) and number >= 0 and number.is_integer():
        return _say_count(said, int(number))
    if np.isnan(number):
        return _say_nothing(feature)
    return f"{_lower(_head(said))}: {f'{100 * number:.0f} %' if _is_share(feature) else _number(number)}"


def _say_nothing(feature: Feature) -> str:
    from_events = any(source.startswith("events.") for source in feature.source)
    return _lower(_head(feature.sentence)) + (": none yet" if from_events else " not given")


def _say_category(feature: Feature, value: object) -> str:
    if not isinstance(value, str) or value in ("", MISSING):
        return _say_nothing(feature)
    shown = " ".join(value.replace("_", " ").split())
    return f"{_lower(_head(feature.sentence))} is {shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + '…'}"


def _say_flag(said: str, number: float) -> str:
    if np.isnan(number):
        return f"{_lower(said)}: not known"
    return _lower(said) if number else f"{_lower(said)}: no"


def _say_share(whole: str, number: float) -> str:
    if number == 0 and not whole.startswith("the "):
        return f"no {whole}"
    return f"{100 * number:.0f} % of {whole.replace(' that is ', ' is ')}"


def _say_days_since(what: str, number: float, speaks_for: bool) -> str:
    """``what`` is "the last demo request", or something that happened once: "the lead was created"."""
    last = _unquoted(what.removeprefix("the last "))
    if not what.startswith("the last "):
        return f"{what}: not yet" if np.isnan(number) else f"{what} {_ago(number)}"
    if np.isnan(number):
        return f"no {last} so far"
    if number >= 1 and not speaks_for:
        return f"no {last} for {_days(number)}"
    return f"last {last} {_ago(number)}"


def _unquoted(what: str) -> str:
    """A quoted word without its quotes where it is plainly a noun; "act", of all acts, is activity."""
    word = what.removeprefix("“").removesuffix("”")
    if len(word) == len(what):
        return "activity" if what == "act" else what
    return what if say_acts(word).startswith("Times ") else word


def _say_count(said: str, number: int) -> str:
    found = _TAIL.search(said)
    body, tail = (said[: found.start()], found.group()) if found else (said, "")
    if body.startswith("Times "):
        times = {0: ": not once", 1: " once", 2: " twice"}.get(number, f" {number:,} times")
        return f"{body.removeprefix('Times ')}{times}{tail}"
    body = _lower(re.sub(r" \(.*?\)", "", body))
    if number == 0:
        return f"no {body.removeprefix('different ')}{tail}"
    if number == 1:
        head = _HEAD.match(body)
        assert head is not None, "it matches any text"
        body = _singular(head.group()) + body[head.end() :].replace(" that were ", " that was ")
    return f"{number:,} {body}{tail}"


def _singular(plural: str) -> str:
    """``page visits`` is ``page visit``: the reverse of `say_acts`."""
    if plural.endswith("ies"):
        return f"{plural[:-3]}y"
    if plural.endswith(("ches", "shes", "xes", "zes")):
        return plural[:-2]
    return plural.removesuffix("s")


def _head(said: str) -> str:
    """A sentence without what explains it: after a colon or a comma, or in parentheses."""
    return re.split(r"[:(]|, ", said, maxsplit=1)[0].strip() or said


def _of(said: str, prefix: str) -> str:
    return said.removeprefix(prefix).removeprefix("the ")


def _lower(said: str) -> str:
    """A small first letter, unless the word is an abbreviation."""
    return said if said[1:2].isupper() else said[:1].lower() + said[1:]


def _days(number: float) -> str:
    return f"{number:,.0f} day" + ("" if number == 1 else "s")


def _ago(number: float) -> str:
    return "less than a day ago" if number < 1 else f"{_days(number)} ago"


def _number(number: float) -> str:
    if abs(number) >= 1000 or number.is_integer():
        return f"{number:,.0f}".replace("-", "−")
    return f"{number:.3g}".replace("-", "−")
