"""Draw the leads: their profiles, their accounts and how likely they are to buy.

Every effect is a function of what the lead's own record shows (a missing value has an effect of its own), so that
the profile in the table is all there is to know about a lead at its creation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mqlml.simulate.world import CHANNELS, STATES, World, set_clock
from mqlml.times import DAY, microseconds_to_column
from mqlml.types import Floats, Ints, Mask

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
_FIRST = ("north", "bright", "blue", "silver", "green", "swift", "stone", "clear", "iron", "amber", "high",
          "deep")  # fmt: skip
_SECOND = ("forge", "field", "works", "labs", "bridge", "harbor", "peak", "leaf", "wave", "point", "mill",
           "gate")  # fmt: skip
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

    The market plays no part, so when and whether colleagues appear shows nothing; what they then do does. Colleagues
    who would come after the end are spread over the time that is left, which crowds the last weeks.
    """
    weight = world.calendar(world.start, world.start + days - 1).activity * np.linspace(0.85, 1.15, days)
    passed = np.concatenate([[0.0], np.cumsum(weight) / weight.sum()])
    first = np.interp(rng.random(account[-1] + 1), passed, np.arange(days + 1.0))[account]
    wait = rng.exponential(30.0, len(account))
    is_first = np.diff(account, prepend=-1) > 0
    late = first + wait >= days
    wait[late] = rng.random(int(late.sum())) * (days - first[late])
    day = np.floor(np.where(is_first, first, np.minimum(first + wait, days - 1e-6)))
    return set_clock(world.start + day + rng.random(len(account)))


def _account_numbers(rng: np.random.Generator, n_leads: int) -> Ints:
    """The account of each lead, 0, 0, 1, 2, 2, 2 …; the last account is cut where the leads end."""
    sizes = 1 + np.searchsorted(np.cumsum(_ACCOUNT_SIZES)[:-1], rng.random(n_leads), side="right")
    return np.repeat(np.arange(n_leads), sizes)[:n_leads]


@dataclass(frozen=True)
class _Accounts:
    """What is drawn for each account: codes of the tables, employees, the effect on fit, and the market."""

    individual: Mask
    country: Ints
    industry: Ints
    size: Ints
    employees: Floats
    effect: Floats
    in_market: Floats
    market: Ints


def _draw_accounts(rng: np.random.Generator, account: Ints) -> _Accounts:
    n = int(account.max()) + 1
    individual = (rng.random(n) < _INDIVIDUAL) & (np.bincount(account) == 1)
    country, industry, size = (_draw(rng, table, n) for table in (_COUNTRY, _INDUSTRY, _SIZE))
    low = np.array([*_SIZE_EDGES[:-1], np.nan])[size]
    high = np.array([*_SIZE_EDGES[1:], np.nan])[size]
    employees = np.floor(np.exp(np.log(low) + rng.random(n) * (np.log(high) - np.log(low))))
    employees[rng.random(n) < 0.2] = np.nan
    effect = 0.8 * _effect(_INDUSTRY, industry) + 0.8 * _effect(_SIZE, size)
    in_market = 1 / (1 + np.exp(1.15 - 1.3 * effect))
    market = (rng.random(n) < in_market).astype(np.int64)
    return _Accounts(individual, country, industry, size, employees, effect, in_market, market)


@dataclass(frozen=True)
class _People:
    """What is drawn for each lead: account, creation, codes of the tables, and the kind of email address."""

    account: Ints
    created: Ints
    seniority: Ints
    function: Ints
    source: Ints
    free: Mask
    disposable: Mask


def _draw_people(rng: np.random.Generator, account: Ints, created: Ints, individual: Mask) -> _People:
    n = len(account)
    seniority, function = _draw(rng, _SENIORITY, n), _draw(rng, _FUNCTION, n)
    source_share = np.array([share for share, _ in _SOURCE])
    source = np.searchsorted(np.cumsum(source_share)[:-1], rng.random(n), side="right")
    mail_draw = rng.random(n)
    free = mail_draw < np.where(individual[account], 0.85, 0.13)
    return _People(account, created, seniority, function, source, free, mail_draw > 0.985)


def _fit(people: _People, accounts: _Accounts) -> Floats:
    """The effect of each profile on the log hazard of being won, before scaling."""
    size, seniority = accounts.size[people.account], people.seniority
    small, large, top = size <= 1, (size >= 3) & (size <= 5), seniority <= 1
    return np.asarray(
        _effect(_COUNTRY, accounts.country)[people.account]
        + accounts.effect[people.account]
        + _effect(_SENIORITY, seniority)
        + _effect(_FUNCTION, people.function) * (seniority != 6)
        + 0.7 * (top & small)  # in a small firm the chief decides; in a large one the chief only downloads
        - 0.9 * (top & large)
        - 0.55 * people.free
        - 1.2 * people.disposable
        - 0.35
    )


def _first_states(people: _People, fit: Floats, world: World) -> Floats:
    """P(state at creation | profile, market): (leads, markets, states)."""
    intent = np.array([effect for _, effect in _SOURCE])[people.source]
    junk = 1.9 * (people.seniority >= 5) * (people.seniority <= 6)
    junk = junk + 0.6 * people.free + 1.8 * people.disposable + 0.5 * (people.source == 2)
    logit = np.zeros((len(fit), 2, len(STATES)))
    logit[:, :, 0] = 0.7
    years = (people.created / DAY - world.start) / 365.25
    logit[:, :, 2] = (-2.55 + 1.50 * fit + intent + world.drift * years)[:, None] + [0.0, 1.0]
    logit[:, :, 3] = (-1.9 + junk)[:, None] - [0.0, 0.7]
    first_state = np.exp(logit)
    return np.asarray(first_state / first_state.sum(axis=-1, keepdims=True))


def make_population(rng: np.random.Generator, n_leads: int, *, days: int, world: World) -> Population:
    """Draw accounts, their leads, and what the profiles mean for first states and for winning."""
    account = _account_numbers(rng, n_leads)
    created = _arrivals(rng, account, days, world)
    order = np.lexsort((account, created))
    accounts = _draw_accounts(rng, account)
    people = _draw_people(rng, account[order], created[order], accounts.individual)
    fit = _fit(people, accounts)
    return Population(
        leads=_table(rng, people, accounts),
        created=people.created,
        account=people.account,
        source=people.source,
        fit=fit,
        first_state=_first_states(people, fit, world),
        in_market=accounts.in_market,
        market=accounts.market,
    )


def _table(rng: np.random.Generator, people: _People, accounts: _Accounts) -> pd.DataFrame:
    """The profiles as the CRM shows them."""
    account, n = people.account, len(people.account)
    lead_id = FIRST_ID + np.arange(n)
    titles = np.full((len(_SENIORITY), len(_FUNCTION), 12), None, dtype=object)
    for row, (level, _, _) in enumerate(_SENIORITY):
        for column, (name, _, _) in enumerate(_FUNCTION):
            forms = [form.format(name, _CHIEFS[column]) for form in _TITLES[level]] if level else [None]
            titles[row, column] = forms * (
                12 // len(forms)
            )  # 12: the lengths of all lists of forms divide it
    shares = np.cumsum([share for _, share in _DOMAINS])
    draw = np.searchsorted(shares[:-1], rng.random(n), side="right")
    # The free mail hosts accept no address that starts with a digit and holds a hyphen; ".example" is reserved.
    numbers = range(len(accounts.individual))
    company = [f"{_FIRST[number % 12]}{_SECOND[number // 12 % 12]}-{number}.example" for number in numbers]
    domain = np.where(people.free, _pick([name for name, _ in _DOMAINS], draw), _pick(company, account))
    domain = np.where(people.disposable, _DISPOSABLE, domain)
    emails = [f"{number}-lead@{name}" for number, name in zip(lead_id, domain, strict=True)]
    revenue = np.round(accounts.employees[account] * np.exp(rng.normal(11.6, 0.6, n)), -4)
    revenue[rng.random(n) < 0.35] = np.nan
    names = [None if accounts.individual[number] else f"A{number:06d}" for number in account]
    title = titles[people.seniority, people.function, rng.integers(0, 12, n)]
    landing_page = _pick(_LANDING_PAGES, rng.integers(0, 8, n))
    return pd.DataFrame(
        {
            "lead_id": lead_id,
            "created_at": microseconds_to_column(people.created),
            "account_id": pd.Series(names, dtype="str"),
            "lead_source": pd.Series(_pick(CHANNELS, people.source), dtype="str"),
            "country": pd.Series(_words(_COUNTRY)[accounts.country[account]], dtype="str"),
            "industry": pd.Series(_words(_INDUSTRY)[accounts.industry[account]], dtype="str"),
            "company_size": pd.Series(_words(_SIZE)[accounts.size[account]], dtype="str"),
            "employees": accounts.employees[account],
            "annual_revenue": revenue,
            "job_title": pd.Series(title, dtype="str"),
            "email": pd.Series(emails, dtype="str"),
            "landing_page": pd.Series(landing_page, dtype="str"),
        }
    )


def _pick(texts: Sequence[str], codes: Ints) -> NDArray[np.object_]:
    return np.array(texts, dtype=object)[codes]
