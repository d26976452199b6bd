"""Rules turn away the people they describe, for the first reason that holds, and nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from mqlml.config import Rules
from mqlml.errors import ConfigError
from mqlml.policy import match_rules

LEADS = pd.DataFrame(
    {
        "lead_id": [1, 2, 3, 4],
        "account_id": pd.Series(["acme", "acme", "b", None], dtype="str"),
        "created_at": pd.Series(pd.to_datetime(["2024-01-01"] * 4, utc=True)).astype("datetime64[us, UTC]"),
        "country": pd.Series(["US", " ca ", "DE", None], dtype="str"),
        "employees": [10.0, 0.5, 1000.0, float("nan")],
        "e_mail": pd.Series(
            ["Ann@ACME.example", "bob@x.rival.example", "<c@rival.example>", None], dtype="str"
        ),
        "tier": pd.Series(["1", "2", "01", "3"], dtype="str"),
        "opted_out": pd.Series([True, False, None, True], dtype="boolean"),
        "size": pd.Series(["S", "s", None, "L"], dtype="category"),
    }
).set_axis([10, 11, 12, 13])


def rules(*when: dict[str, Any]) -> Rules:
    """Rules whose reasons are their numbers: ``"0"``, ``"1"``, …"""
    return Rules.model_validate(
        {"disqualify": [{"when": condition, "reason": str(i)} for i, condition in enumerate(when)]}
    )


def matched(*when: dict[str, Any], leads: pd.DataFrame = LEADS, **keys: Any) -> list[str | None]:
    reasons = match_rules(leads, rules(*when), folder=keys.pop("folder", Path()), **keys)
    assert reasons.index.equals(leads.index)
    assert reasons.dtype == "str"
    return [None if pd.isna(reason) else reason for reason in reasons]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"country": {"in": ["us", "CA"]}}, ["0", "0", None, None]),
        ({"country": {"not_in": ["US", "CA"]}}, [None, None, "0", None]),
        ({"employees": {"in": [10, 0.5]}}, ["0", "0", None, None]),
        ({"employees": {"not_in": [10, 0.5]}}, [None, None, "0", None]),
        ({"employees": {"in": ["10", "1e3"]}}, ["0", None, "0", None]),
        ({"tier": {"in": [1]}}, ["0", None, None, None]),
        ({"lead_id": {"in": [4, "2"]}}, [None, "0", None, "0"]),
        ({"opted_out": {"in": [True]}}, ["0", None, None, "0"]),
        ({"size": {"in": ["s"]}}, ["0", "0", None, None]),
        ({"country": {"in": []}}, [None] * 4),
        ({"country": {"in": ["DE"]}, "employees": {"in": [10]}}, [None] * 4),
        ({"country": {"in": ["DE"]}, "employees": {"in": [1000]}}, [None, None, "0", None]),
        ({"mail_domain": {"in": ["rival.example"]}}, [None, None, "0", None]),
        ({"mail_domain": {"not_in": ["acme.example"]}}, [None, "0", "0", None]),
    ],
    ids=[
        "in, any case and blanks",
        "not in, the missing stay",
        "numbers by value",
        "numbers not in, the missing stay",
        "numbers written as text",
        "text is not a number: 01",
        "ids",
        "booleans",
        "categories",
        "in nothing",
        "all conditions must hold",
        "all conditions hold",
        "mail domain, subdomains are others",
        "mail domain not in, no address stays",
    ],
)
def test_conditions(condition: dict[str, Any], expected: list[str | None]) -> None:
    assert matched(condition) == expected


def test_the_first_rule_that_holds_gives_the_reason() -> None:
    assert matched({"country": {"in": ["DE"]}}, {"employees": {"in": [10, 1000]}}) == ["1", None, "0", None]


def test_the_account_is_not_touched() -> None:
    assert matched({"country": {"in": ["US"]}}) == ["0", None, None, None]  # 1 and 2 are of one account


def test_no_rules_match_nobody() -> None:
    assert matched() == [None] * 4


def test_no_leads() -> None:
    assert matched({"country": {"in": ["US"]}}, leads=LEADS.head(0)) == []


def test_a_file_holds_one_value_a_line(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "rivals.txt").write_text(
        "\ufeffRival.example \n\n x.rival.example\n", encoding="utf-8"
    )
    condition = {"mail_domain": {"in": "lists/rivals.txt"}}
    assert matched(condition, folder=tmp_path) == [None, "0", "0", None]


def test_a_column_of_that_name_is_taken_for_the_mail_domain() -> None:
    leads = LEADS.assign(mail_domain=pd.Series(["a.example"] * 4, index=LEADS.index, dtype="str"))
    assert matched({"mail_domain": {"in": ["a.example"]}}, leads=leads) == ["0"] * 4


def test_the_config_can_name_the_column_of_addresses() -> None:
    leads = LEADS.rename(columns={"e_mail": "kontakt"})
    assert matched({"mail_domain": {"in": ["rival.example"]}}, leads=leads, email="kontakt")[2] == "0"
    with pytest.raises(
        ConfigError, match=r"no column of the leads holds email addresses; name one with profile"
    ):
        matched({"mail_domain": {"in": ["rival.example"]}}, leads=leads)


@pytest.mark.parametrize(
    ("condition", "match"),
    [
        (
            {"contry": {"in": ["US"]}},
            r"disqualify\[0\]\.when names .*'contry', which is unknown; did you mean 'country'",
        ),
        ({"zzz": {"in": ["US"]}}, r"'zzz', which is unknown; the leads have lead_id, account_id"),
        ({"maildomain": {"in": ["x"]}}, r"did you mean 'mail_domain'"),
        ({"created_at": {"in": ["2024-01-01"]}}, r"'created_at', which holds times"),
        ({"country": {"not_in": []}}, r"when\.country\.not_in is empty, which every lead would meet"),
        (
            {"country": {"in": "nobody.txt"}},
            r"country\.in names the file 'nobody\.txt', which is not in '.*'; a list",
        ),
        (
            {"country": {"not_in": [False, "US"]}},
            r"holds False, but the attribute holds text, as .us.\. YAML reads",
        ),
    ],
    ids=["typing error", "far from all", "derived", "times", "empty not_in", "no file", "Norway"],
)
def test_a_rule_that_cannot_be_meant_is_an_error(
    condition: dict[str, Any], match: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=match):
        matched(condition, folder=tmp_path)


def test_norway_in_quotes_is_a_country() -> None:
    written = yaml.safe_load('{"country": {"not_in": ["NO", US, CA, DE]}}')
    assert matched(written) == [None] * 4


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"cannot be read as UTF-8 text"):
        matched({"country": {"in": "list.txt"}}, folder=tmp_path)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ConfigError, match=r"not_in is empty"):
        matched({"country": {"not_in": "empty.txt"}}, folder=tmp_path)
