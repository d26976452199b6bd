from __future__ import annotations

import pytest

from mqlml.commands.choose_model import BUDGETS, make_trials
from mqlml.config.values import Tune
from mqlml.model import LeadScorer


@pytest.mark.parametrize("tune", ["none", "quick", "thorough"])
def test_a_budget_is_a_number_of_different_trials_the_defaults_first(tune: Tune) -> None:
    trials = make_trials(tune, random_state=0)
    assert len(trials) == BUDGETS[tune]
    assert trials[0] == {}
    assert all(trials.count(trial) == 1 for trial in trials)
    assert set().union(*trials) <= set(LeadScorer().get_params())
    assert make_trials(tune, random_state=0) == trials


def test_no_tuning_is_the_defaults_alone() -> None:
    assert make_trials("none", random_state=0) == [{}]
