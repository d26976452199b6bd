"""What ``mqlml backtest`` advises, sentence by sentence."""

from __future__ import annotations

import pytest

from mqlml.commands.backtest import advise
from mqlml.evaluation.ageing import Ageing
from mqlml.evaluation.bootstrap import Estimate

SKILL, LINE = Estimate(0.1, 0.08, 0.12), Estimate(0.02, 0.01, 0.03)


@pytest.mark.parametrize(
    ("ageing", "dated", "said"),
    [
        (None, False, "We cannot say how a model ages: the table has an order but no dates."),
        (
            None,
            True,
            "We cannot say how a model ages: it takes at least three periods that older models can predict. Until "
            "more is known, retrain with every new month of outcomes.",
        ),
        (
            Ageing((), SKILL, None, 200, None),
            True,
            "We cannot say how a model ages: it takes at least three periods that older models can predict. Until "
            "more is known, retrain with every new month of outcomes.",
        ),
        (
            Ageing((), Estimate(0.1, -0.01, 0.2), LINE, 200, None),
            True,
            "We cannot say yet how a model ages: models that learn from as little as there was for the first period "
            "gain nothing over the base rate, beyond noise. Until more is known, retrain with every new month of "
            "outcomes.",
        ),
        (
            Ageing((), SKILL, Estimate(0.02, -0.01, 0.05), 200, None),
            True,
            "We cannot say yet whether a model ages. All ages together, older models did worse than fresh ones: "
            "each 30 days of age cost about 20% of the skill over the base rate. That may be luck: with 95% "
            "confidence the cost lies between −10% and 50%. Until more is known, retrain with every new month of "
            "outcomes.",
        ),
        (
            Ageing((), SKILL, Estimate(-0.01, -0.03, 0.02), 200, None),
            True,
            "We cannot say yet whether a model ages. All ages together, older models did no worse than fresh ones, "
            "but so few conversions show no more than that with 95% confidence 30 days of age cost no more than 20% "
            "of the skill over the base rate. Until more is known, retrain with every new month of outcomes.",
        ),
        (
            Ageing((), SKILL, Estimate(0.0, -0.002, 0.0025), 200, None),
            True,
            "No ageing was found: with 95% confidence 30 days of age cost no more than 2% of the skill over the base "
            "rate. Retraining every 120 days is often enough, for by then even that comes to no more than 10%.",
        ),
        (
            Ageing((), SKILL, Estimate(0.0, -0.001, 0.001), 200, None),
            True,
            "No ageing that matters: with 95% confidence the 200 days observed cost a model no more than 10% of its "
            "skill over the base rate. Retrain at least that often.",
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
            "Retrain every 31 days or sooner: a model loses about 20% of its skill over the base rate in 30 "
            "days.",
        ),
    ],
    ids=[
        "no dates",
        "no pair",
        "too few",
        "no skill",
        "worse, perhaps by chance",
        "no worse, perhaps by chance",
        "surely slow",
        "surely small",
        "little",
        "retrain",
    ],
)
def test_the_advice(ageing: Ageing | None, dated: bool, said: str) -> None:
    assert advise(ageing, dated=dated) == said
