"""What ``mqlml backtest`` advises, sentence by sentence."""

from __future__ import annotations

import pytest

from mqlml.evaluation.ageing import Ageing
from mqlml.evaluation.bootstrap import Estimate
from mqlml.pipeline.backtest import advise

SKILL, LINE = Estimate(0.1, 0.08, 0.12), Estimate(0.02, 0.01, 0.03)


@pytest.mark.parametrize(
    ("ageing", "dated", "said"),
    [
        (None, False, "How a model ages cannot be told: the table has an order but no dates."),
        (
            None,
            True,
            "How a model ages cannot be told: it takes at least three periods that older models can judge.",
        ),
        (
            Ageing((), SKILL, None, 200, None),
            True,
            "How a model ages cannot be told: it takes at least three periods that older models can judge.",
        ),
        (
            Ageing((), Estimate(0.1, -0.01, 0.2), LINE, 200, None),
            True,
            "How a model ages cannot be told yet: models that learn from as little as there was for the first period "
            "gain nothing over the base rate, beyond noise.",
        ),
        (
            Ageing((), SKILL, Estimate(0.02, -0.01, 0.05), 200, None),
            True,
            "No sign of ageing within the 200 days observed.",
        ),
        (
            Ageing((), SKILL, Estimate(0.002, 0.001, 0.003), 200, None),
            True,
            "A model loses about 2% of its skill over the base rate in 30 days, but at no age within the 200 days "
            "observed more than 10%.",
        ),
        (
            Ageing((), SKILL, LINE, 200, 31),
            True,
            "Train anew every 31 days, or sooner: a model loses about 20% of its skill over the base rate in 30 "
            "days.",
        ),
    ],
    ids=["no dates", "no pair", "too few", "no skill", "no sign", "little", "retrain"],
)
def test_the_advice(ageing: Ageing | None, dated: bool, said: str) -> None:
    assert advise(ageing, dated=dated) == said
