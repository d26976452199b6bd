"""The leakage audit: what it names, what it lets pass, and that it is silent where it cannot know."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.config import Profile
from mqlml.errors import ConfigError, LeakageError
from mqlml.training import audit_columns, refused_columns
from mqlml.training.leakage.names import check_action_name, check_name

N = 2000


def audit(columns: dict[str, Any], *, rate: float = 0.2, **profile: Any) -> tuple[Any, ...]:
    rng = np.random.default_rng(5)
    label = (rng.random(N) < rate).astype(np.int8)
    made = {name: make(label, rng) if callable(make) else make for name, make in columns.items()}
    return audit_columns(pd.DataFrame(made), label, np.arange(N), Profile(**profile))


def words(_label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(["a", "b", "c"], N)


AFTERWARDS = [
    "Owner", "lead_status", "LifecycleStage", "closeDate", "converted_at", "Lost Reason", "deal-amount",
    "Last Activity", "lastTouchChannel", "Tags", "Lead Quality", "Lead Profile", "won", "Opportunity ID",
    "Asymmetrique Activity Index", "Deal Revenue", "is_closed", "sales_rep", "assigned_to", "latestTouch",
    "updated_at", "modifiedDate", "churned", "contract_value", "onboarding_date", "Disqualification Code", "win_rate",
]  # fmt: skip
BEFOREHAND = [
    "country", "Last Name", "last_name", "annual_revenue", "source", "employees", "stagecoach", "browser",
    "Reasoning", "wonder", "funding_stage", "marital status", "contact_reason", "loan_amount", "home_owner",
    "first_conversion_page", "linkedinProfileUrl", "credit_rating", "last_funding_round", "window", "lostine_county",
    "utm_source", "number_of_employees", "preferred_language", "product_interest", "budget", "opted_in", "form_id",
    "closest_office", "Specialization", "landing_page_id", "A free copy",
]  # fmt: skip


@pytest.mark.parametrize("column", AFTERWARDS)
def test_names_that_mean_afterwards(column: str) -> None:
    (finding,) = audit({column: words})
    assert finding.column == column
    assert finding.action == "refused"
    assert finding.reason.startswith("the name says ")


@pytest.mark.parametrize("column", BEFOREHAND)
def test_names_that_do_not(column: str) -> None:
    assert audit({column: words}) == ()


@pytest.mark.parametrize(
    "column", ["Converted", "is_converted", "converted_flag", "ConvertedDate", "target", "y"]
)
def test_names_that_are_what_is_predicted(column: str) -> None:
    clue = check_name(column, targets=("Converted",))
    assert clue is not None
    assert "what is predicted" in clue.text or "what is to be predicted" in clue.text


def test_a_label_with_an_everyday_name_does_not_taint_others() -> None:
    assert check_name("employment_status", targets=("Status",)) is None
    assert check_name("browser", targets=("",)) is None


def test_a_column_that_the_outcomes_have_too() -> None:
    clue = check_name("signed_on", written={"signed_on", "sum"})
    assert clue is not None
    assert clue.text.startswith("the outcomes table has a column 'signed_on', too")


@pytest.mark.parametrize(
    "action", ["3 - checkout", "Purchase", "contract_signed", "orderPlaced", "invoice paid"]
)
def test_event_types_named_after_the_deal_are_told(action: str) -> None:
    clue = check_action_name(action)
    assert clue is not None
    assert (clue.severity, clue.refuses) == ("suspicious", False)


@pytest.mark.parametrize(
    "action", ["paid_search_click", "sample order", "abandoned cart", "demo_request", "signup"]
)
def test_event_types_that_are_not(action: str) -> None:
    assert check_action_name(action) is None


def test_a_column_that_tells_the_outcome_by_itself() -> None:
    def verdict(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.where(label == 1, "hot", np.where(rng.random(N) < 0.05, "hot", "cold"))

    (finding,) = audit({"hint": verdict, "source": words})
    assert finding.column == "hint"
    assert "alone ranks later winners with an AUC of 0.9" in finding.reason


def test_a_column_that_is_filled_only_after_a_win() -> None:
    def signed(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.where(label == 1, rng.random(N), np.nan)

    assert [finding.column for finding in audit({"contract_value": signed})] == ["contract_value"]


def test_an_honestly_good_column_passes() -> None:
    def intent(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return label * 1.2 + rng.normal(size=N)  # an AUC of 0.8

    assert audit({"budget": intent}) == ()


def test_an_identifier_gives_nothing_away_and_teaches_nothing() -> None:
    (finding,) = audit({"ref": np.array([f"x{i:04}" for i in range(N)])})
    assert [clue.check for clue in finding.evidence] == ["identifier"]
    assert (finding.action, finding.severity) == ("refused", "suspicious")


def test_few_winners_are_no_evidence() -> None:
    def verdict(label: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
        return np.where(label == 1, "hot", "cold")

    assert audit({"hint": verdict}, rate=0.02) == ()


def test_a_constant_gives_nothing_away() -> None:
    assert audit({"owner": ["nobody"] * N}) == ()


def test_forced_by_name_with_a_reason() -> None:
    (finding,) = audit({"owner": words}, force={"owner": "given out at creation, by region"})
    assert finding.action == "forced"
    assert finding.reason.endswith("Kept because: given out at creation, by region")
    assert refused_columns([finding]) == set()


def test_naming_it_is_not_enough() -> None:
    with pytest.raises(
        LeakageError, match=r"names 'owner', but .*Remove it, or say why .*force: \{owner: reason\}"
    ):
        audit({"owner": words, "country": words}, static=["country", "owner"])


def test_columns_that_are_not_asked_for_are_not_reported() -> None:
    assert audit({"owner": words, "country": words}, static=["country"]) == ()


def test_forcing_an_absent_column() -> None:
    with pytest.raises(ConfigError, match="profile.force names 'ownr', which is no attribute"):
        audit({"owner": words}, force={"ownr": "why"})
