"""Who the leads are: random numbers go in; profiles, accounts and what they are worth come out.

Every effect is a function of what the lead's own record shows (a missing value has an effect of its own), so that
the profile in the table is all there is to know about a lead at its creation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mqlml.simulate.world import CHANNELS, STATES, World, set_clock
from mqlml.times import DAY, microseconds_to_column
from mqlml.types import Floats, Ints

__all__ = ["FIRST_ID", "Population", "make_population"]

FIRST_ID = 100_001

# Each table: value, share, effect on fit. The last value of a table is None where the field can be missing.
_COUNTRY = (("US", 0.34, 0.25), ("GB", 0.14, 0.20), ("DE", 0.12, 0.30), ("FR", 0.08, 0.0), ("NL", 0.06, 0.20),
            ("CA", 0.07, 0.15), ("ES", 0.05, -0.15), ("IN", 0.09, -0.70), ("BR", 0.05, -0.45))  # fmt: skip
_INDUSTRY = (("software", 0.22, 0.50), ("manufacturing", 0.16, 0.25), ("financial services", 0.12, 0.40),
             ("healthcare", 0.10, 0.0), ("retail", 0.10, -0.15), ("professional services", 0.09, 0.15),
             ("education", 0.07, -0.70), ("public sector", 0.04, -0.50), (None, 0.10, -0.35))  # fmt: skip
_SIZE = (("1-10", 0.24, -0.55), ("11-50", 0.24, 0.0), ("51-200", 0.20, 0.45), ("201-1000", 0.14, 0.50),
         ("1001-5000", 0.07, 0.15), ("5001+", 0.03, -0.15), (None, 0.08, -0.35))  # fmt: skip
_SIZE_EDGES = (1, 11, 51, 201, 1001, 5001, 60_000)
_SENIORITY = (("c_level", 0.10, 0.35), ("vp", 0.07, 0.55), ("director", 0.12, 0.55), ("manager", 0.25, 0.25),
              ("specialist", 0.27, -0.20), ("intern", 0.04, -1.0), ("student", 0.05, -1.5),
              (None, 0.10, -0.45))  # fmt: skip
_FUNCTION = (("Marketing", 0.30, 0.35), ("Sales", 0.17, 0.30), ("Operations", 0.14, 0.0), ("IT", 0.16, -0.05),
             ("Finance", 0.11, -0.10), ("HR", 0.07, -0.35), ("Product", 0.05, 0.05))  # fmt: skip
_SOURCE = ((0.24, 0.15), (0.18, 0.0), (0.20, -0.60), (0.08, 0.05), (0.07, 0.65), (0.11, 0.10), (0.07, -0.05),
           (0.05, 0.50))  # fmt: skip
_CHIEFS = ("CMO", "CRO", "COO", "CTO", "CFO", "CHRO", "CPO")
_TITLES = {
    "c_level": ("Chief {0} Officer", "{1}", "{1} & Co-founder"),
    "vp": ("VP {0}", "Vice President of {0}", "SVP, {0}"),
    "director": ("Director of {0}", "{0} Director", "Head of {0}", "Sr. Director {0}"),
    "manager": ("{0} Manager", "Senior {0} Manager", "Team Lead {0}", "Manager, {0}"),
    "specialist": ("{0} Specialist", "{0} Analyst", "Junior {0} Associate", "{0} Coordinator"),
    "intern": ("{0} Intern", "Working student {0}", "{0} Trainee"),
    "student": ("Student", "PhD student", "MBA candidate", "student (business)"),
}
_DOMAINS = (("gmail.com", 0.52), ("outlook.com", 0.20), ("yahoo.com", 0.16), ("hotmail.com", 0.12))
_DISPOSABLE = "mailinator.com"
_LANDING_PAGES = ("home", "product", "guide-2024", "webinar", "compare", "blog", "newsletter", "contact")
_FIRST = (
    "north",
    "bright",
    "blue",
    "silver",
    "green",
    "swift",
    "stone",
    "clear",
    "iron",
    "amber",
    "high",
    "deep",
)
_SECOND = (
    "forge",
    "field",
    "works",
    "labs",
    "bridge",
    "harbor",
    "peak",
    "leaf",
    "wave",
    "point",
    "mill",
    "gate",
)
_ACCOUNT_SIZES = np.array([0.56, 0.18, 0.10, 0.06, 0.04, 0.025, 0.015, 0.01, 0.006, 0.004])
_INDIVIDUAL = 0.20  # share of accounts that are a single person without a company record


@dataclass(frozen=True)
class Population:
    """The leads and what the world's laws read from their profiles.

    Attributes
    ----------
    leads : DataFrame in the contract's columns, by ``created_at``.
    created : (leads,), microseconds since 1970, non-decreasing.
    account : (leads,), number of the account; a person without a company is an account of one.
    source : (leads,), place of the acquisition channel in `CHANNELS`.
    fit : (leads,), effect of the profile on the log hazard of being won, before scaling.
    first_state : (leads, markets, states), P(state at creation | profile, market).
    in_market : (accounts,), P(the account is in the market | company record).
    market : (accounts,), whether it is: hidden from everybody, `truth` included.
    """

    leads: pd.DataFrame
    created: Ints
    account: Ints
    source: Ints
    fit: Floats
    first_state: Floats
    in_market: Floats
    market: Ints


def _draw(rng: np.random.Generator, table: tuple[tuple[str | None, float, float], ...], n: int) -> Ints:
    share = np.array([row[1] for row in table])
    return np.searchsorted(np.cumsum(share / share.sum())[:-1], rng.random(n), side="right")


def _words(table: tuple[tuple[str | None, float, float], ...]) -> NDArray[np.object_]:
    return np.array([row[0] for row in table], dtype=object)


def _effect(table: tuple[tuple[str | None, float, float], ...], codes: Ints) -> Floats:
    return np.array([row[2] for row in table])[codes]


def _arrivals(rng: np.random.Generator, account: Ints, days: int, world: World) -> Ints:
    """Creation times: an account's first lead by the calendar, its colleagues in the weeks after.

    The market plays no part, so when and whether colleagues appear tells nothing but what they then do.
    """
    weight = world.calendar(world.start, world.start + days - 1).acts * np.linspace(0.85, 1.15, days)
    passed = np.concatenate([[0.0], np.cumsum(weight) / weight.sum()])
    first = np.interp(rng.random(account[-1] + 1), passed, np.arange(days + 1.0))[account]
    wait = rng.exponential(30.0, len(account))
    is_first = np.diff(account, prepend=-1) > 0
    late = first + wait >= days
    wait[late] = rng.random(int(late.sum())) * (days - first[late])
    day = np.floor(np.where(is_first, first, np.minimum(first + wait, days - 1e-6)))
    return set_clock(world.start + day + rng.random(len(account)))


def _accounts(rng: np.random.Generator, n_leads: int) -> Ints:
    """The account of each lead, 0, 0, 1, 2, 2, 2 …; the last account is cut where the leads end."""
    sizes = 1 + np.searchsorted(np.cumsum(_ACCOUNT_SIZES)[:-1], rng.random(n_leads), side="right")
    return np.repeat(np.arange(n_leads), sizes)[:n_leads]


def make_population(rng: np.random.Generator, n_leads: int, *, days: int, world: World) -> Population:
    """Draw accounts, their leads, and what the profiles mean for first states and for winning."""
    account = _accounts(rng, n_leads)
    created = _arrivals(rng, account, days, world)
    order = np.lexsort((account, created))
    account, created = account[order], created[order]
    n_accounts = int(account.max()) + 1

    individual = (rng.random(n_accounts) < _INDIVIDUAL) & (np.bincount(account) == 1)
    country, industry, size = (_draw(rng, table, n_accounts) for table in (_COUNTRY, _INDUSTRY, _SIZE))
    low = np.array([*_SIZE_EDGES[:-1], np.nan])[size]
    high = np.array([*_SIZE_EDGES[1:], np.nan])[size]
    employees = np.floor(np.exp(np.log(low) + rng.random(n_accounts) * (np.log(high) - np.log(low))))
    employees[rng.random(n_accounts) < 0.2] = np.nan
    company = 0.8 * _effect(_INDUSTRY, industry) + 0.8 * _effect(_SIZE, size)
    in_market = 1 / (1 + np.exp(1.15 - 1.3 * company))
    market = (rng.random(n_accounts) < in_market).astype(np.int64)

    seniority, function = _draw(rng, _SENIORITY, n_leads), _draw(rng, _FUNCTION, n_leads)
    source_share = np.array([share for share, _ in _SOURCE])
    source = np.searchsorted(np.cumsum(source_share)[:-1], rng.random(n_leads), side="right")
    mail_draw = rng.random(n_leads)
    free = mail_draw < np.where(individual[account], 0.85, 0.13)
    disposable = mail_draw > 0.985

    small, large = size[account] <= 1, (size[account] >= 3) & (size[account] <= 5)
    top = seniority <= 1
    fit = (
        _effect(_COUNTRY, country)[account]
        + company[account]
        + _effect(_SENIORITY, seniority)
        + _effect(_FUNCTION, function) * (seniority != 6)
        + 0.7 * (top & small)  # in a small firm the chief decides; in a large one the chief only downloads
        - 0.9 * (top & large)
        - 0.55 * free
        - 1.2 * disposable
        - 0.35
    )
    intent = np.array([effect for _, effect in _SOURCE])[source]
    junk = 1.9 * (seniority >= 5) * (seniority <= 6) + 0.6 * free + 1.8 * disposable + 0.5 * (source == 2)
    logit = np.zeros((n_leads, 2, len(STATES)))
    logit[:, :, 0] = 0.7
    years = (created / DAY - world.start) / 365.25
    logit[:, :, 2] = (-2.55 + 1.50 * fit + intent + world.drift * years)[:, None] + [0.0, 1.0]
    logit[:, :, 3] = (-1.9 + junk)[:, None] - [0.0, 0.7]
    first_state = np.exp(logit)
    first_state /= first_state.sum(axis=-1, keepdims=True)

    leads = _table(
        rng, created=created, account=account, individual=individual, free=free, disposable=disposable,
        seniority=seniority, function=function, source=source, country=_words(_COUNTRY)[country],
        industry=_words(_INDUSTRY)[industry], size=_words(_SIZE)[size], employees=employees,
    )  # fmt: skip
    return Population(leads, created, account, source, fit, first_state, in_market, market)


def _table(
    rng: np.random.Generator, *, created: Ints, account: Ints, individual: NDArray[np.bool_],
    free: NDArray[np.bool_], disposable: NDArray[np.bool_], seniority: Ints, function: Ints, source: Ints,
    country: NDArray[np.object_], industry: NDArray[np.object_], size: NDArray[np.object_], employees: Floats,
) -> pd.DataFrame:  # fmt: skip
    """The profiles as the CRM shows them."""
    n = len(created)
    lead_id = FIRST_ID + np.arange(n)
    titles = np.full(
        (len(_SENIORITY), len(_FUNCTION), 12), None, dtype=object
    )  # 12: all lists of forms divide it
    for row, (level, _, _) in enumerate(_SENIORITY):
        for column, (name, _, _) in enumerate(_FUNCTION):
            forms = _TITLES[level] if level else (None,)
            titles[row, column] = [form and form.format(name, _CHIEFS[column]) for form in forms] * (
                12 // len(forms)
            )
    shares = np.cumsum([share for _, share in _DOMAINS])
    free_domain = np.array([name for name, _ in _DOMAINS], dtype=object)[
        np.searchsorted(shares[:-1], rng.random(n), side="right")
    ]
    # The free mail hosts accept no address that starts with a digit and holds a hyphen; ".example" is reserved.
    company = [
        f"{_FIRST[number % 12]}{_SECOND[number // 12 % 12]}-{number}.example"
        for number in range(len(individual))
    ]
    domain = np.where(
        disposable, _DISPOSABLE, np.where(free, free_domain, np.array(company, dtype=object)[account])
    )
    revenue = np.round(employees[account] * np.exp(rng.normal(11.6, 0.6, n)), -4)
    revenue[rng.random(n) < 0.35] = np.nan
    return pd.DataFrame(
        {
            "lead_id": lead_id,
            "created_at": microseconds_to_column(created),
            "account_id": pd.Series(
                [None if individual[number] else f"A{number:06d}" for number in account], dtype="str"
            ),
            "lead_source": pd.Series(np.array(CHANNELS, dtype=object)[source], dtype="str"),
            "country": pd.Series(country[account], dtype="str"),
            "industry": pd.Series(industry[account], dtype="str"),
            "company_size": pd.Series(size[account], dtype="str"),
            "employees": employees[account],
            "annual_revenue": revenue,
            "job_title": pd.Series(titles[seniority, function, rng.integers(0, 12, n)], dtype="str"),
            "email": pd.Series(
                [f"{number}-lead@{name}" for number, name in zip(lead_id, domain, strict=True)], dtype="str"
            ),
            "landing_page": pd.Series(
                np.array(_LANDING_PAGES, dtype=object)[rng.integers(0, 8, n)], dtype="str"
            ),
        }
    )
