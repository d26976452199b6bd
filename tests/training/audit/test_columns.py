"""The leakage audit: what it names, what it lets pass, and that it is silent where it cannot know."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.config import Profile
from mqlml.errors import ConfigError, LeakageError
from mqlml.training import audit_columns, refused_columns

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
    "Asymmetrique Activity Index", "Deal Revenue", "is_closed",
]  # fmt: skip
BEFOREHAND = [
    "country", "Last Name", "last_name", "annual_revenue", "source", "employees", "stagecoach", "browser",
    "Reasoning", "wonder", "closest_office", "Specialization", "landing_page_id", "A free copy",
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


def test_ids_pass_although_each_row_is_told_apart() -> None:
    assert audit({"ref": np.array([f"x{i}" for i in range(N)])}) == ()


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
