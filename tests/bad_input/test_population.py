"""Data that leaves nobody to learn from, thresholds nobody reaches, columns that leak: training refuses them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.bad_input.front_door import (
    EARLIER,
    OPENED,
    Bad,
    Desk,
    Spoil,
    every,
    file,
    judge,
    judge_words,
    leave_result,
    names_in,
    run,
    setting,
    swap,
)
from tests.bad_input.worlds import flat_company, journeys_company


def population(id: str, spoil: Spoil, says: str) -> Bad:
    return Bad(id, spoil, says, "PopulationError")


def labels(id: str, mql: dict[str, object], sql: dict[str, object], says: str) -> Bad:
    return Bad(id, setting("labels", {"mql": mql, "sql": sql}), says, "LabelPolicyError")


def lines(name: str, change: str, to: str) -> Spoil:
    """Every line of a file but its header changed by a regular expression."""

    def spoil(desk: Desk) -> None:
        header, *rows = desk.path(name).read_text().splitlines()
        changed = [re.sub(change, to, row) for row in rows]
        assert changed != rows
        desk.write(name, "\n".join([header, *changed]) + "\n")

    return spoil


EVERYONE_WINS = "lead_id,occurred_at,stage\n" + "".join(
    f"{lead},2024-04-20,closed_won\n" for lead in range(1, 301)
)

JOURNEYS = [
    population(
        "nobody-reaches-the-stage",
        setting("problem.outcome", "sql"),
        r"of 266 mature snapshots, not one converted\. Check the outcomes \(data\.outcomes\.stage, stages\)",
    ),
    population(
        "everybody-wins",
        every(
            file("outcomes.csv", EVERYONE_WINS),
            setting("data.observed_until", "2024-12-31"),
            setting("problem.horizon", "200d"),
        ),
        r"leads that converted and leads that did not; of \d+ mature snapshots, every one converted\. Check",
    ),
    population(
        "nobody-mature",
        setting("data.observed_until", "2024-01-03"),
        r"no lead is mature: the label window of 7 days .*data\.observed_until \(2024-01-03; .*\. Shorten problem\.",
    ),
    population(
        "observed-until-before-the-leads",
        setting("data.observed_until", "2014-04-05"),
        r"data\.observed_until must come after the leads; found 2014-04-05, and .* created 2024-01-01\. Correct it",
    ),
    population(
        "leads-from-the-future",
        lines("leads.csv", ",2024-", ",2064-"),
        r"must come after the leads; found 2024-04-05, and .* created 2064-01-01\. Correct it, or data\.leads",
    ),
    population(
        "horizon-longer-than-the-data",
        setting("problem.horizon", "900d"),
        r"no lead is mature: the label window of 900 days .*Shorten .*, or bring outcomes over a longer",
    ),
    population(
        "horizon-nearly-as-long",
        setting("problem.horizon", "80d"),
        r"nothing is left to learn from before the held-out last 30% .*history is too short\. Shorten problem\.",
    ),
    population(
        "outcomes-before-creation",
        file("outcomes.csv", EVERYONE_WINS.replace("2024-", "2014-")),
        r"after the step 'still open at that moment'; each had its outcome before .*check data\.leads\.",
    ),
    population(
        "nobody-within-the-age-limits",
        setting("problem.age_limits", ["5d", "9d"]),
        r"no lead is left to learn from after the step '5 to 9 days old'; check .*problem\.age_limits",
    ),
    population(
        "a-grid-after-the-data",
        setting(
            "problem",
            {"snapshots": {"every": "7d", "from": "2030-01-01"}, "age_limits": ["0d", "90d"]},
        ),
        r"after the step 'snapshots on the calendar grid'; check .*problem\.snapshots",
    ),
    Bad(
        "too-few-conversions",
        setting("gate.min_positives", 500),
        r"\d+ conversions can be learned from .*, and 500 are needed \(gate\.min_positives\)\. At \d+ to .* "
        r"mqlml points .* bring a longer",
        "GateRefused",
        3,
    ),
    Bad(
        "nothing-to-tell-leads-apart-by",
        every(setting("profile.static", []), setting("data.events", None)),
        r"at least one column must vary over the \d+ training rows; .*\. Bring more columns, or more rows",
        "ScorerError",
    ),
    labels(
        "precision-out-of-reach",
        {"policy": "min_precision", "value": 0.5},
        {"policy": "min_precision", "value": 0.99},
        r"labels\.sql: no threshold reaches a precision of 0\.99; the best is 0\.\d+, at 0\.\d+ \(\d+ leads, \d+ "
        r"converted\)\. Lower the value",
    ),
    labels(
        "capacity-below-one-lead",
        {"policy": "min_recall", "value": 0.9},
        {"policy": "capacity", "per_week": 0.001},
        r"labels\.sql: no threshold selects as few as 0\.001 leads a week; the best is .*Raise per_week to that",
    ),
    labels(
        "sql-easier-than-mql",
        {"policy": "fixed", "value": 0.9},
        {"policy": "min_recall", "value": 0.9},
        r"labels\.sql must not have a lower threshold than mql: its rule is a recall of 0\.9, .*Lower the value",
    ),
    labels(
        "a-follow-up-worth-nothing",
        {"policy": "value", "gain": 1, "cost": 5},
        {"policy": "min_recall", "value": 0.3},
        r"labels\.mql: a follow-up costs 5, more than a conversion brings \(1\), .*Check gain and cost",
    ),
    Bad(
        "static-absent",
        setting("profile.static", ["country", "industry"]),
        r"profile\.static names 'industry', which is not there; found 'country', 'lead_status'",
        "ConfigError",
    ),
    Bad(
        "static-leaking",
        setting("profile.static", ["country", "lead_status"]),
        r"profile\.static names 'lead_status', but the name says 'status': .*\. Remove it, or say why .*force",
        "LeakageError",
        3,
    ),
    Bad(
        "force-without-a-reason",
        setting("profile.force", {"lead_status": " "}),
        r"profile\.force\.lead_status: must say why it is known at the cutoff",
        "ConfigError",
    ),
    Bad(
        "force-absent-event-type",
        setting("features.force", {"pagevisit": "set at creation"}),
        r"features\.force names 'pagevisit', which is no event type of the events; ",
        "ConfigError",
    ),
    Bad(
        "force-absent",
        setting("profile.force", {"owner": "set at creation"}),
        r"profile\.force names 'owner', which is no attribute of the leads; there are 'country', 'lead_status'",
        "ConfigError",
    ),
    Bad(
        "email-absent",
        setting("profile.email", "mail"),
        r"profile\.email names 'mail', which is not there; found .*'country'",
        "ConfigError",
    ),
    Bad(
        "history-absent",
        setting("profile.history", ["plan"]),
        r"profile\.history names 'plan', which is not there; found nothing",
        "ConfigError",
    ),
    Bad(
        "rule-of-an-unknown-column",
        setting("rules.disqualify", [{"when": {"contry": {"in": ["DE"]}}, "reason": "far"}]),
        r"rules\.disqualify\[0\]\.when names the lead attribute 'contry', which is unknown; did you mean 'country'\?",
        "ConfigError",
    ),
    Bad(
        "rule-of-a-missing-list",
        setting("rules.disqualify", [{"when": {"country": {"in": "far.txt"}}, "reason": "far"}]),
        r"rules\.disqualify\[0\]\.when\.country\.in names the file 'far\.txt', which is not in '.*'; a list is",
        "ConfigError",
    ),
    Bad(
        "rule-of-a-bare-no",
        setting("rules.disqualify", [{"when": {"country": {"in": [False]}}, "reason": "far"}]),
        r"country\.in holds False, but the attribute holds text, as 'de'\. YAML reads a bare .*in quotes, as \"NO\"",
        "ConfigError",
    ),
    Bad(
        "rule-of-mail-without-mail",
        setting("rules.disqualify", [{"when": {"mail_domain": {"in": ["rival.com"]}}, "reason": "rival"}]),
        r"uses 'mail_domain', but no column of the leads holds email addresses; name one with profile\.email",
        "ConfigError",
    ),
]

FLAT = [
    Bad(
        "label-missing",
        setting("data.flat.label", "won"),
        r"data\.flat \(flat\.csv\) has no column 'won'; it is named by data\.flat\.label\.\nColumns found: id",
        "ContractError",
    ),
    Bad(
        "order-missing",
        setting("data.flat.order", ["day", "number"]),
        r"has no column 'number'; it is named by data\.flat\.order\.\nColumns found",
        "ContractError",
    ),
    Bad(
        "order-unparsable",
        setting("data.flat.order", "country"),
        r"400 of 400 rows .*country = 'DE'\. Say how it is written, as data\.flat\.order: \{column: country, format",
        "QuarantineError",
    ),
    population(
        "order-without-an-order",
        lines("flat.csv", "2024-..-..", "2024-01-01"),
        r"no row comes before it in the order\. Name a finer data\.flat\.order",
    ),
    Bad(
        "no-such-winning-value",
        setting("data.flat.positive", "yes"),
        r"no row's 'converted' is data\.flat\.positive, 'yes'; name the value .*Found: '0' \(\d+ rows\), '1' \(",
        "ContractError",
    ),
    population(
        "label-with-one-value",
        lines("flat.csv", ",0$", ",1"),
        r"of 400 rows with a label, every one converted\. Check data\.flat\.label and data\.flat\.positive",
    ),
    population(
        "label-always-empty",
        lines("flat.csv", ",[01]$", ","),
        r"no row of the flat table has a label; check data\.flat\.label and data\.flat\.positive",
    ),
    Bad(
        "duplicate-ids-above-the-share",
        lines("flat.csv", r"^(\d+)[05],", r"\g<1>1,"),
        r"78 of 400 rows .*allows 1\.0%\): 78 × duplicate key.*Mend the source",
        "QuarantineError",
    ),
    Bad(
        "capacity-without-dates",
        setting(
            "labels",
            {"mql": {"policy": "min_recall", "value": 0.9}, "sql": {"policy": "capacity", "per_week": 5}},
        ),
        r"labels\.sql: a capacity of 5 leads a week needs dates, and this data has none\. Choose another policy",
        "LabelPolicyError",
    ),
    Bad(
        "family-of-an-unknown-column",
        setting("data.flat.families", {"actions": ["vists"]}),
        r"data\.flat\.families\.actions names 'vists', which is not there; did you mean 'visits'\?",
        "ConfigError",
    ),
    Bad(
        "no-column-to-learn-from",
        lines("flat.csv", r"^(\d+),[^,]*,[^,]*,([^,]*),[^,]*,", r"\1,0,US,\2,x,"),
        r"a model needs a column to learn from, and no column of the leads is one \('visits': .*\)\. Bring more",
        "ContractError",
    ),
    Bad(
        "nobody-wins-in-the-last-period",
        lines("flat.csv", r"^(2[89]\d,.*|[34]\d\d,.*),1$", r"\1,0"),
        r"evaluation needs leads that converted and leads that did not; 0 of 120 converted\. Take a longer held-out",
        "PopulationError",
    ),
]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


def refuse_to_train(bad: Bad, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    bad.spoil(desk)
    desk.save()
    before = names_in(desk.folder)
    judge(["train"], bad, capsys)
    assert names_in(desk.folder) - before in (set(), OPENED)


@pytest.mark.parametrize("bad", JOURNEYS, ids=lambda bad: bad.id)
def test_journeys_that_cannot_be_learned_from(
    bad: Bad, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    journeys_company(desk)
    refuse_to_train(bad, desk, capsys)


@pytest.mark.parametrize("bad", FLAT, ids=lambda bad: bad.id)
def test_a_flat_table_that_cannot_be_learned_from(
    bad: Bad, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    flat_company(desk)
    refuse_to_train(bad, desk, capsys)


def test_one_repeated_id_among_many_is_set_aside_and_told(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    flat_company(desk)
    swap("flat.csv", "\n8,", "\n7,", 1)(desk)
    desk.save()
    code, out, err = run(["check", "--json"], capsys)
    assert (code, err) == (0, "")
    assert json.loads(out)["quarantine"] == [
        {
            "table": "flat",
            "column": "id",
            "reason": "duplicate key",
            "rows": 1,
            "first_row": 8,
            "first_value": "7",
        }
    ]


def test_no_skill_is_refused_and_the_champion_stays(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    flat_company(desk)
    desk.save()
    assert run(["train"], capsys)[0] == 0
    code, out, _ = run(["report", "--out", "report.html", "--json"], capsys)
    assert code == 0
    champion = json.loads(out)
    earlier = leave_result(desk, "scores.csv")
    before = names_in(desk.folder)

    flat_company(desk, skill=False)
    desk.save()
    code, out, err = run(["train"], capsys)
    assert code == 3
    judge_words(err, "^mqlml: the gate refused this model; nothing was registered$")
    assert "Refused\n  It does not rank later leads better than chance: ROC AUC 0." in out
    code, out, err = run(["train", "--json"], capsys)
    result = json.loads(out)
    assert (code, out.count("\n"), result["version"], result["run_id"]) == (3, 1, None, None)
    assert result["gate"]["passed"] is False
    chance, base_rate = result["gate"]["reasons"]
    assert chance.startswith("It does not rank later leads better than chance: ")
    assert base_rate.startswith(
        "Its probabilities are no better than giving every lead the base rate known when"
    )
    assert names_in(desk.folder) == before
    assert json.loads(run(["report", "--out", "report.html", "--json"], capsys)[1]) == champion
    assert earlier.read_bytes() == EARLIER
