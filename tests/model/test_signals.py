"""Signals: the figures by hand and by slow loops, and what must not move them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from mqlml.errors import ContractError, PopulationError
from mqlml.model.signal_columns import SignalKey, SignalTable, make_design, read_attribute
from mqlml.model.signal_figures import (
    RIDGE,
    compare_like_leads,
    compare_raw,
    count_ages,
    fit_ridge,
    share_of_signals,
    times,
)
from mqlml.model.signals import SignalEstimate, SignalLevel, SignalReport, find_signals
from mqlml.render.report.signals import format_explanation
from mqlml.results import from_json_safe, to_json_safe
from tests.model.signal_tables import random_table, slow_like_leads, slow_raw, table_of, take

Z = 1.959964


def level_of(report: SignalReport, name: str, level: str | None = None) -> SignalLevel:
    found = [
        one for signal in report.signals for one in signal.levels if (one.name, one.level) == (name, level)
    ]
    assert len(found) == 1, (name, level)
    return found[0]


def figures(report: SignalReport) -> dict[tuple[str, str | None], list[float]]:
    return {
        (one.name, one.level): [
            one.raw.with_rate,
            one.raw.without_rate,
            *dataclasses.astuple(one.raw.difference),
            *dataclasses.astuple(one.like_leads),
            signal.rank_value,
            one.leads,
        ]
        for signal in report.signals
        for one in signal.levels
    }


def assert_same_figures(one: SignalReport, other: SignalReport) -> None:
    assert figures(one).keys() == figures(other).keys()
    for key, values in figures(one).items():
        np.testing.assert_allclose(values, figures(other)[key], rtol=0, atol=1e-7, err_msg=str(key))


def test_with_and_without_by_hand() -> None:
    """Age 0: 100 with (20 convert), 100 without (10). Age 1: 50 with (5), 150 without (3)."""
    cells = [(0, 1, 100, 20), (0, 0, 100, 10), (1, 1, 50, 5), (1, 0, 150, 3)]
    age = np.repeat([a for a, _, _, _ in cells], [n for _, _, n, _ in cells])
    visit = np.repeat([has for _, has, _, _ in cells], [n for _, _, n, _ in cells])
    label = np.concatenate([np.arange(n) < won for _, _, n, won in cells]).astype(np.int8)
    report = find_signals(table_of(label, events={"visit": visit}, age=age), random_state=0)
    found = level_of(report, "visit")
    assert (found.snapshots, found.leads, found.reach) == (150, 150, 150 / 400)
    assert found.raw.with_rate == pytest.approx(25 / 150)
    assert found.raw.without_rate == pytest.approx(100 / 150 * 0.10 + 50 / 150 * 0.02)  # not 13 / 250
    assert found.raw.difference.value == pytest.approx(found.raw.with_rate - found.raw.without_rate)
    assert report.base_rate == pytest.approx(38 / 400)
    # Of independent snapshots: the variances of both rates and that of the weights that the doers' ages give.
    doers = 25 / 150 * 125 / 150
    weights = (100 * 0.1**2 + 50 * 0.02**2) / 150 - found.raw.without_rate**2
    covariance = (20 * 0.1 + 5 * 0.02) / 150 - found.raw.with_rate * found.raw.without_rate
    others = (100 / 150) ** 2 * 0.1 * 0.9 / 100 + (50 / 150) ** 2 * 0.02 * 0.98 / 150
    error = np.sqrt((doers + weights - 2 * covariance) / 150 + others)
    assert found.raw.difference.high - found.raw.difference.value == pytest.approx(
        Z * error, rel=2e-3
    )  # 400 / 399


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_and_without_are_those_of_plain_loops(seed: int) -> None:
    table = random_table(seed)
    design = make_design(table)
    raw = compare_raw(design.held, table.label, table.age, table.account, count_ages(design.held, table.age))
    for place in range(len(design.columns)):
        arrays = (design.held[:, place], table.label, table.age, table.account)
        with_rate, without, error = slow_raw(*(array.astype(float) for array in arrays))
        assert raw.with_rate[place] == pytest.approx(with_rate, abs=1e-12)
        assert raw.without_rate[place] == pytest.approx(without, abs=1e-12)
        assert raw.difference.high[place] == pytest.approx(with_rate - without + Z * error, abs=1e-12)


def test_like_leads_are_those_of_plain_loops_and_the_weights_those_of_sklearn() -> None:
    table = random_table(4, 500)
    design = make_design(table)
    fit = fit_ridge(design.held, table.label, table.account)
    peer = LogisticRegression(C=1 / RIDGE, tol=1e-10, max_iter=10_000).fit(design.held, table.label)
    np.testing.assert_allclose(fit.weights, peer.coef_[0], atol=1e-5)
    assert fit.intercept == pytest.approx(peer.intercept_[0], abs=1e-5)
    offset = fit.log_odds - times(design.held, fit.weights)
    comparable = np.ones(len(design.columns), dtype=bool)
    found = compare_like_leads(design, fit, offset, comparable, 0)
    np.testing.assert_allclose(found.value, slow_like_leads(design, fit.weights, offset), atol=1e-12)
    assert ((found.low < found.value) & (found.value < found.high)).all()


def test_the_covariance_is_a_sandwich_over_accounts_at_least_the_inverse_hessian() -> None:
    table = random_table(5, 400)
    values = make_design(table).held
    fit = fit_ridge(values, table.label, table.account)
    x = np.column_stack([values, np.ones(len(values))])
    chance = expit(fit.log_odds)
    hessian = (x * (chance * (1 - chance))[:, None]).T @ x + np.diag([RIDGE] * values.shape[1] + [0.0])
    meat = np.zeros_like(hessian)
    for account in set(table.account.tolist()):
        score = ((table.label - chance)[:, None] * x)[table.account == account].sum(axis=0)
        meat += np.outer(score, score)
    n = len(set(table.account.tolist()))
    inverse = np.linalg.inv(hessian)
    sandwich = (inverse @ meat @ inverse * n / (n - 1))[:-1, :-1]
    at_least = np.diag(inverse)[:-1]
    np.testing.assert_allclose(np.diag(fit.covariance), np.maximum(np.diag(sandwich), at_least), rtol=1e-6)
    size = np.sqrt(np.diag(sandwich))
    own = np.sqrt(np.diag(fit.covariance))
    np.testing.assert_allclose(
        fit.covariance / np.outer(own, own), sandwich / np.outer(size, size), atol=1e-6
    )
    assert np.linalg.eigvalsh(fit.covariance).min() > -1e-12


def test_snapshots_of_one_account_are_not_independent() -> None:
    """Ten copies of each lead in one account tell no more than one; ten copies as ten accounts seem to."""
    once = random_table(6, 600)
    rows = np.repeat(np.arange(600), 10)
    copies = take(once, rows)
    as_accounts = dataclasses.replace(copies, account=copies.account * 10 + np.tile(np.arange(10), 600))
    wide = [level_of(find_signals(table, random_state=0), "visit") for table in (once, copies, as_accounts)]
    assert wide[1].raw.difference.low == pytest.approx(wide[0].raw.difference.low, abs=1e-9)
    assert wide[1].raw.difference.high == pytest.approx(wide[0].raw.difference.high, abs=1e-9)
    width = [one.raw.difference.high - one.raw.difference.low for one in wide]
    assert width[2] == pytest.approx(width[1] / np.sqrt(10), rel=0.01)
    alike = [one.like_leads.high - one.like_leads.low for one in wide]
    assert alike[2] < 0.6 * alike[1], "the covariance of comparable leads knows of accounts too"


def test_a_level_without_conversions_is_no_certainty() -> None:
    rng = np.random.default_rng(0)
    source = np.repeat(["ads", "web", "fair"], [500, 450, 50])
    label = (rng.random(1000) < 0.06) & (source != "fair")
    found = level_of(
        find_signals(table_of(label, attributes={"source": source}), random_state=0), "source", "fair"
    )
    assert found.raw.with_rate == 0
    assert found.raw.direction == "less", (
        "the raw interval takes no variance from the leads that never convert"
    )
    assert found.direction == "no_clear_difference"


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), order=st.integers(0, 10_000))
def test_neither_the_order_of_rows_nor_the_names_of_accounts_matter(seed: int, order: int) -> None:
    table = random_table(seed, 400)
    rng = np.random.default_rng(order)
    rows = rng.permutation(400)
    other = take(table, rows)
    renamed = dataclasses.replace(
        other,
        account=rng.permutation(1000)[other.account],
        lead=other.lead + 7,
        age=1 - other.age,
        events=other.events[["demo", "visit"]],
        event_signals=other.event_signals[::-1],
    )
    assert_same_figures(find_signals(table, random_state=3), find_signals(renamed, random_state=3))


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), n=st.integers(200, 600))
def test_what_is_said_agrees_with_the_figures(seed: int, n: int) -> None:
    report = find_signals(random_table(seed, n), random_state=0)
    for signal in report.signals:
        assert signal.rank_value >= signal.importance >= 0
        for one in signal.levels:
            for direction, estimate in (
                (one.direction, one.like_leads),
                (one.raw.direction, one.raw.difference),
            ):
                assert (direction == "more") == (estimate.low > 0)
                assert (direction == "less") == (estimate.high < 0)
                assert estimate.low <= estimate.value <= estimate.high
            assert one.rare_but_telling == (one.reach < 0.05 and one.raw.direction != "no_clear_difference")
            assert bool(one.raw.explained_by) <= (one.raw.direction != "no_clear_difference")
            assert signal.signal not in [part.signal for part in one.raw.explained_by]
            shares = [part.share for part in one.raw.explained_by]
            assert shares == sorted(shares, reverse=True)
            assert sum(one.snapshots for one in signal.levels) == n or signal.kind == "event"
    values = [one.rank_value for one in report.signals if one.signal.family == "profile"]
    assert values == sorted(values, reverse=True)


def test_the_random_state_decides_the_intervals_and_hardly_moves_them() -> None:
    table = random_table(1, 900)
    one, same, other = (find_signals(table, random_state=state) for state in (0, 0, 1))
    assert one == same
    first, second = level_of(one, "visit").like_leads, level_of(other, "visit").like_leads
    assert first.value == second.value
    assert first.low != second.low
    assert first.low == pytest.approx(second.low, abs=0.05 * (first.high - first.low))
    ends = np.array(
        [
            [
                (level.like_leads.low, level.like_leads.high)
                for signal in report.signals
                for level in signal.levels
            ]
            for report in (find_signals(table, random_state=state) for state in range(6))
        ]
    )
    width = (ends[:, :, 1] - ends[:, :, 0]).mean(axis=0)
    assert (ends.std(axis=0).mean(axis=1) / width).mean() < 0.02


def test_a_clear_weight_is_a_clear_direction() -> None:
    """For an event, the interval leaves out 0 just where its weight lies 1.96 standard errors from 0."""
    seen = set()
    for seed in range(12):
        table = random_table(seed, 500)
        design = make_design(table)
        at_age = table.age[:, None] == np.arange(2)
        fit = fit_ridge(np.column_stack([design.held, at_age]), table.label, table.account)
        report = find_signals(table, random_state=0)
        for place, column in enumerate(design.columns):
            if column.attribute < 0:
                z = fit.weights[place] / np.sqrt(fit.covariance[place, place])
                clear = level_of(report, column.name).direction != "no_clear_difference"
                assert clear == (abs(z) > Z), (column.name, z)
                seen.add(clear)
    assert seen == {True, False}


def test_intervals_are_those_of_many_draws() -> None:
    """95% for an event type; for the levels of an attribute, as much as makes all of them hold together."""
    table = random_table(8, 600)
    design = make_design(table)
    fit = fit_ridge(design.held, table.label, table.account)
    offset = np.full(600, fit.intercept)
    found = compare_like_leads(design, fit, offset, np.ones(len(design.columns), dtype=bool), 0)
    draws = np.random.default_rng(0).multivariate_normal(fit.weights, fit.covariance, 4000, method="eigh")
    attribute = np.array([column.attribute for column in design.columns])
    for place in range(len(design.columns)):
        log_odds = design.held[design.held[:, place]] @ draws.T + fit.intercept
        block = [place] if attribute[place] < 0 else np.flatnonzero(attribute == attribute[place])
        share = [0.0] if attribute[place] < 0 else design.held[:, block].mean(axis=0)
        alike = sum(
            part * expit(log_odds - draws[:, place] + draws[:, other])
            for part, other in zip(share, block, strict=True)
        )
        alike = expit(log_odds - draws[:, place]) if attribute[place] < 0 else alike
        effect = (expit(log_odds) - alike).mean(axis=0)
        coverage = 0.95 ** (1 / len(block))
        low, high = np.quantile(effect, [(1 - coverage) / 2, (1 + coverage) / 2])
        assert found.low[place] == pytest.approx(low, abs=0.06 * (high - low))
        assert found.high[place] == pytest.approx(high, abs=0.06 * (high - low))


def test_levels_of_an_attribute_that_says_nothing_are_seldom_said() -> None:
    """95% of such attributes have no level with a direction, however many levels they have."""
    said = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        page = rng.choice(list("abcdefgh"), 1200)
        label = rng.random(1200) < 0.1
        report = find_signals(table_of(label, attributes={"page": page}), random_state=0)
        said += any(one.direction != "no_clear_difference" for one in report.signals[0].levels)
    assert said <= 8  # 3 expected; 8 or more have a probability of 1%


def confounded(n: int = 4000) -> SignalTable:
    """Webinars do nothing; who visits often converts, and also attends webinars."""
    rng = np.random.default_rng(2)
    visit = rng.random(n) < 0.3
    webinar = rng.random(n) < np.where(visit, 0.4, 0.05)
    label = rng.random(n) < np.where(visit, 0.25, 0.03)
    return table_of(label, events={"page_visit": visit, "webinar": webinar, "call": rng.random(n) < 0.3})


def test_why_the_raw_difference_and_like_leads_differ() -> None:
    report = find_signals(confounded(), random_state=0)
    webinar = level_of(report, "webinar")
    assert webinar.raw.direction == "more"
    assert webinar.direction == "no_clear_difference"
    assert webinar.raw.explained_by[0].signal.what == "page_visit"
    assert webinar.raw.explained_by[0].more
    assert webinar.raw.explained_share > 0.8
    text = format_explanation(webinar)
    assert text.startswith(
        "Leads with “webinar” convert more often, mostly because of other things about them: "
    )
    assert (
        f"they more often have “page visit” ({webinar.raw.explained_by[0].share:.0%} of the difference)"
        in text
    )
    visit = level_of(report, "page_visit")
    assert visit.direction == visit.raw.direction == "more"
    assert format_explanation(visit) == "", "nothing is to be explained where both say the same"
    assert report.signals[0].signal.what == "page_visit"


def test_the_parts_of_a_difference_add_up_to_it() -> None:
    table = random_table(7)
    design = make_design(table)
    fit = fit_ridge(design.held, table.label, table.account)
    shares = share_of_signals(design, fit, count_ages(design.held, table.age))
    log_odds = design.held @ fit.weights
    for place in range(len(design.columns)):
        has = design.held[:, place]
        difference = sum(
            (has & (table.age == age)).sum()
            / has.sum()
            * (log_odds[has & (table.age == age)].mean() - log_odds[~has & (table.age == age)].mean())
            for age in (0, 1)
        )
        assert shares.explained[place].sum() == pytest.approx(difference, abs=1e-12)
    own = np.array([column.signal for column in design.columns])
    for signal in range(len(design.signals)):
        part = design.held[:, own == signal] @ fit.weights[own == signal]
        covariance = np.cov(design.held[:, own == signal].T.astype(float), bias=True).reshape(
            sum(own == signal), -1
        )
        noise = np.trace(covariance @ fit.covariance[np.ix_(own == signal, own == signal)])
        assert shares.spread[signal] == pytest.approx(part.var() - noise, abs=1e-12)


def test_what_a_variance_is_expected_to_be_is_that_of_draws_that_are_not_negative() -> None:
    table = random_table(7)
    design = make_design(table)
    fit = fit_ridge(design.held, table.label, table.account)
    shares = share_of_signals(design, fit, count_ages(design.held, table.age))
    rng = np.random.default_rng(0)
    own = np.array([column.signal for column in design.columns])
    for signal in range(len(design.signals)):
        held = design.held[:, own == signal].astype(float)
        of_weights = fit.covariance[np.ix_(own == signal, own == signal)]
        weights = rng.multivariate_normal(fit.weights[own == signal], of_weights, 100_000)
        variances = np.einsum("ij,jk,ik->i", weights, np.atleast_2d(np.cov(held.T, bias=True)), weights)
        draws = rng.normal(shares.spread[signal], variances.std(), 400_000)
        assert shares.expected[signal] == pytest.approx(draws[draws >= 0].mean(), rel=0.02)


def test_noise_has_no_importance_on_average() -> None:
    values: list[float] = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        events = {f"noise_{place}": rng.random(800) < 0.3 for place in range(5)}
        table = table_of(rng.random(800) < 0.2, events=events)
        design = make_design(table)
        fit = fit_ridge(design.held, table.label, table.account)
        values += share_of_signals(design, fit, count_ages(design.held, table.age)).spread.tolist()
    # A little below 0, as the ridge holds back the weights and not their errors; uncorrected, each would be above 0.
    assert -0.3 * np.std(values) < np.mean(values) < 0.1 * np.std(values)
    assert np.mean(np.array(values) > 0) < 0.4


def test_attributes_that_determine_each_other_are_one_signal() -> None:
    rng = np.random.default_rng(3)
    n = 1000
    employees = np.floor(rng.lognormal(3, 1.5, n))
    size = np.where(employees < 11, "1-10", np.where(employees < 51, "11-50", "51+"))
    seen = np.where(rng.random(n) < 0.3, np.nan, employees)
    source = rng.choice(["ads", "web"], n)
    touch = np.where(source == "ads", "paid", "organic").astype(object)
    touch[:100] = None
    report = find_signals(
        table_of(
            rng.random(n) < 0.2,
            attributes={
                "employees": seen,
                "company_size": size,
                "first_touch": touch,
                "source": source,
                "revenue": seen * rng.lognormal(0, 0.6, n),
                "country": rng.choice(["DE", "US"], n),
                "planet": ["earth"] * n,
            },
        ),
        random_state=0,
    )
    found = {one.signal.what: [member.what for member in one.members] for one in report.signals}
    assert found == {
        "company_size": ["company_size", "employees"],
        "source": ["source", "first_touch"],
        "revenue": ["revenue"],
        "country": ["country"],
    }
    sizes = next(one for one in report.signals if one.signal.what == "company_size")
    assert [one.level for one in sizes.levels] == ["1-10", "11-50", "51+"], "one of the two speaks for both"
    assert [(one.name, one.reason) for one in report.left_out] == [
        ("planet", "has the same level nearly everywhere")
    ]


@pytest.mark.parametrize(("others", "kept"), [(49, False), (50, True)])
def test_an_attribute_that_nearly_all_share_is_left_out(others: int, kept: bool) -> None:
    rng = np.random.default_rng(8)
    region = np.where(np.arange(800) < others, "south", "north").astype(object)
    report = find_signals(
        table_of(
            rng.random(800) < 0.2, events={"visit": rng.random(800) < 0.3}, attributes={"region": region}
        ),
        random_state=0,
    )
    assert ("region" in [one.signal.what for one in report.signals]) == kept
    assert [one.name for one in report.left_out] == ([] if kept else ["region"])


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([0, 0, 0, 0, 1, 2, 3, 4, 5, 6], ("0", "1 to 2", "3 to 4", "5 to 6")),
        (
            [2015, 2016, 2017, 2018, 2019, 2020, 2021],
            ("2015 to 2016", "2017", "2018 to 2019", "2020", "2021"),
        ),
        ([30_000, 520_000, 2.16e6, 4.556e7, 1.455e10], ("30,000", "520,000", "2.16M", "45.56M", "14.55B")),
        ([-12_000, 0.5, 9_999, 9_999.9, 999_990], ("-12,000", "0.5", "9999", "10,000", "1M")),
    ],
)
def test_bands_are_written_for_people(values: list[float], levels: tuple[str, ...]) -> None:
    assert read_attribute("n", SignalKey("profile", "n"), pd.Series(values, dtype=float)).levels == levels


def test_rare_levels_are_pooled_numbers_are_banded_and_rare_events_left_out() -> None:
    rng = np.random.default_rng(4)
    n = 600
    land = rng.permutation(np.repeat(["DE", "US", "FR", "IT"], [300, 230, 49, 21]))
    visits = np.arange(n, dtype=float)
    visits[:60] = np.nan
    pages = rng.permutation(n) + 12.9634
    everyone = np.arange(n) % 2 == 0  # all of age 0 and nobody of age 1
    report = find_signals(
        table_of(
            rng.random(n) < 0.2,
            attributes={
                "land": land,
                "visits": visits,
                "pages": pages,
                "few": np.tile([0.0, 1.0, 2.0], 200),
                "near": np.tile([2160001.0, 2160002.0], 300),
            },
            events={"rare": np.arange(n) < 49, "enough": np.arange(n) < 50, "everyone": everyone},
            age=np.arange(n) % 2,
        ),
        random_state=0,
    )
    levels = {
        one.signal.what: [(level.level, level.pooled, level.snapshots) for level in one.levels]
        for one in report.signals
    }
    assert levels["land"] == [("DE", False, 300), ("US", False, 230), ("other", True, 70)]
    assert levels["visits"] == [
        ("60 to 167", False, 108),
        ("168 to 275", False, 108),
        ("276 to 383", False, 108),
        ("384 to 491", False, 108),
        ("492 to 599", False, 108),
        ("missing", False, 60),
    ]
    assert [level for level, *_ in levels["near"]] == ["2160001", "2160002"], "rounded, they would be one"
    assert levels["pages"][0] == ("13 to 132", False, 120), "three digits where a number has a fraction"
    assert levels["few"] == [("0", False, 200), ("1", False, 200), ("2", False, 200)]
    assert levels["enough"] == [(None, False, 50)]
    assert {one.name: one.reason for one in report.left_out} == {
        "rare": "fewer than 50 snapshots have it",
        "everyone": "at the same age, nearly all leads have it or nearly none",
    }


def test_what_no_lead_of_the_same_age_lacks_gets_no_figure() -> None:
    rng = np.random.default_rng(5)
    touch = np.where(np.arange(600) < 300, "none", rng.choice(["web", "ads"], 600))
    report = find_signals(
        table_of(rng.random(600) < 0.2, attributes={"touch": touch}, age=np.arange(600) // 300),
        random_state=0,
    )
    none = level_of(report, "touch", "none")
    assert np.isnan(
        [none.raw.with_rate, none.raw.difference.value, none.like_leads.value, none.like_leads.low]
    ).all()
    assert none.direction == none.raw.direction == "no_clear_difference"
    assert not np.isnan(level_of(report, "touch", "web").like_leads.value)


def test_a_report_reads_back_from_json() -> None:
    report = find_signals(confounded(1000), random_state=0)
    written = to_json_safe(report)
    assert to_json_safe(from_json_safe(SignalReport, written, where="a report")) == written
    assert written["signals"][0]["levels"][0]["direction"] in ("more", "less", "no_clear_difference")


def test_what_cannot_be_judged_is_refused() -> None:
    table = random_table(0, 300)
    with pytest.raises(PopulationError, match="of 300 snapshots, not one converted"):
        find_signals(dataclasses.replace(table, label=np.zeros(300, dtype=np.int8)), random_state=0)
    with pytest.raises(ContractError, match="a row for each of the 300 labels; found 299 in 'lead'"):
        find_signals(dataclasses.replace(table, lead=table.lead[1:]), random_state=0)
    with pytest.raises(PopulationError, match="at least 50 snapshots with it .* found none"):
        find_signals(table_of([0, 1] * 20, events={"visit": [0, 1] * 20}), random_state=0)


def test_no_direction_without_an_interval() -> None:
    assert SignalEstimate(np.nan, np.nan, np.nan).direction == "no_clear_difference"
    assert SignalEstimate(0.1, 0.0, 0.2).direction == "no_clear_difference", "0 itself is in the interval"
