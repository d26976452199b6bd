"""Values as people write them: read where the whole column agrees, otherwise refused with what mends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mqlml.errors import ContractError, QuarantineError, SourceError
from mqlml.journeys.parse import parse_attribute, parse_numbers
from tests.journeys.files import read


def column(values: list[str | None]) -> Any:
    return pa.chunked_array([pa.array(values, pa.string())])


NUMBERS: dict[str, tuple[list[str | None], list[float]]] = {
    "dollars": (["$1,234.50", "$950.00", None], [1234.5, 950, np.nan]),
    "euros": (["1.234,50 €", "950,00 €"], [1234.5, 950]),
    "decimal comma": (["12,5", "3", "1500,25"], [12.5, 3, 1500.25]),
    "thousands, and some below": (["1,234", "950"], [1234, 950]),
    "points in money": (["€1.234", "€950"], [1234, 950]),
    "spaces": (["1 234,50", "12 000,00"], [1234.5, 12000]),
    "no-break spaces": (["1\u00a0234", "950"], [1234, 950]),
    "apostrophes": (["1'234.50", "2.00"], [1234.5, 2]),
    "code of a currency": (["USD 1,000", "USD 20"], [1000, 20]),
    "accounting": (["(1,200.00)", "3.00"], [-1200, 3]),
    "percents": (["45%", "7.5 %"], [0.45, 0.075]),
    "plain": (["1.234", "950", "-3e2"], [1.234, 950, -300]),
    "words for missing": (["5", "N/A", "null", "-", "n/a"], [5, np.nan, np.nan, np.nan, np.nan]),
}


@pytest.mark.parametrize(("values", "expected"), NUMBERS.values(), ids=NUMBERS.keys())
def test_numbers_that_a_whole_column_agrees_in(values: list[str | None], expected: list[float]) -> None:
    words = ["N/A", "null", "-"]
    attribute = parse_attribute(column(values), missing_words=words)
    np.testing.assert_allclose(attribute.data.to_numpy(), expected)
    np.testing.assert_allclose(parse_numbers(column(values), missing_words=words).data, expected)


TEXTS: dict[str, list[str | None]] = {
    "either mark": ["1,234", "2,500"],
    "two currencies": ["€5", "$6"],
    "some percents": ["45%", "7"],
    "codes of products": ["SKU123", "SKU456"],
    "phones": ["+49 30 1234", "+49 40 555"],
    "leading zeros": ["01234", "56789"],
    "versions": ["1.2.3", "1.10.0"],
    "days": ["01.02.2025", "28.02.2025"],
    "a word among them": ["5", "six"],
}


@pytest.mark.parametrize("values", TEXTS.values(), ids=TEXTS.keys())
def test_what_may_be_no_number_stays_text(values: list[str | None]) -> None:
    assert parse_attribute(column(values)).data.tolist() == values


DOUBTS = {
    "comma": (["1,234", "2,500"], "ambiguous_numbers"),
    "comma, settled by one": (["1,234", "2,500", "950"], None),
    "point": (["1.234", "2.500"], "perhaps_thousands"),
    "point, and some below": (["1.234", "950"], "perhaps_thousands"),
    "point, settled by a large one": (["1.234", "1500"], None),
    "whole numbers": (["12", "950"], None),
    "point, settled by one": (["1.234", "2.5"], None),
    "words": (["1,234", "x"], None),
    "a word among numbers": (["12", "3.5", "later"], "words_among_numbers"),
    "words as often as numbers": (["12", "later"], None),
    "codes": (["012", "013", "later"], None),
    "no word": (["1", "2", "3+"], None),
}


@pytest.mark.parametrize(("values", "kind"), DOUBTS.values(), ids=DOUBTS.keys())
def test_numbers_that_may_be_two_are_told_with_what_settles_them(
    values: list[str], kind: str | None, tmp_path: Path
) -> None:
    leads = "".join(f'{n},2024-01-01,"{value}"\n' for n, value in enumerate(values))
    files: dict[str, Any] = {
        "leads.csv": "lead_id,created_at,Revenue\n" + leads,
        "events.csv": "lead_id,occurred_at,action\n1,2024-01-02,a\n",
    }
    found = [(notice.kind, notice.column, notice.rows) for notice in read(tmp_path, files).notices]
    assert found == ([] if kind is None else [(kind, "Revenue", len(values))])
    mended = {"path": "leads.csv", "decimal": "."}
    settled = read(tmp_path, files, leads=mended, missing=["later"])
    assert settled.notices == ()


def test_the_config_says_which_mark_is_meant() -> None:
    values = column(["1,234", "2,500"])
    assert parse_attribute(values, decimal=",").data.tolist() == [1.234, 2.5]
    assert parse_attribute(values, decimal=".").data.tolist() == [1234, 2500]


def test_answers_in_several_cases_are_two() -> None:
    assert parse_attribute(column(["Yes", "no", "YES", "No"])).data.tolist() == ["yes", "no", "yes", "no"]
    assert parse_attribute(column(["Yes", "No"])).data.tolist() == ["Yes", "No"]


DAYS = {
    "day first": ("03/02/2024", "27/02/2024", "2024-02-03"),
    "month first": ("02/03/2024", "02/27/2024", "2024-02-03"),
    "points": ("3.2.2024", "4.2.2024", "2024-02-03"),
    "year first": ("2024/02/03", "2024/02/27", "2024-02-03"),
    "short year": ("3/2/24", "27/2/24", "2024-02-03"),
    "half days": ("02/03/2024 12:00 AM", "02/27/2024 1:05 PM", "2024-02-03"),
    "spreadsheet": ("45325", "45349.5", "2024-02-03"),
}


@pytest.mark.parametrize(("first", "second", "day"), DAYS.values(), ids=DAYS.keys())
def test_days_that_a_whole_column_proves(first: str, second: str, day: str, tmp_path: Path) -> None:
    events = f"lead_id,occurred_at,action\n1,{first},a\n2,{second},a\n3,NULL,a\n"
    journeys = read(tmp_path, {"events.csv": events})
    assert journeys.events["occurred_at"].dt.strftime("%Y-%m-%d").tolist()[0] == day
    assert len(journeys.events) == 2


def test_days_that_may_be_either_are_refused_with_both_settings(tmp_path: Path) -> None:
    events = "lead_id,occurred_at,action\n1,03/02/2024,a\n2,04/02/2024,a\n"
    both = r'format: "%d/%m/%Y" or "%m/%d/%Y": no day above 12 shows which'
    with pytest.raises(QuarantineError, match=both):
        read(tmp_path, {"events.csv": events}, max_quarantined=0.1)


def test_other_numbers_for_times_are_refused_with_their_unit(tmp_path: Path) -> None:
    table = pa.table({"lead_id": [1], "occurred_at": [1_706_918_400_000], "action": ["a"]})
    with pytest.raises(ContractError, match=r"must hold times and holds numbers; .* unit: ms\}"):
        read(tmp_path, {"events.parquet": table}, events={"path": "events.parquet"})


@pytest.mark.parametrize(
    "ids",
    [
        ["007", "010", "011"],
        ["1.0", "1.10", "2.0"],
        [" 7", "8 ", "9"],
        ["9223372036854775807", "9223372036854775806", "1"],
    ],
    ids=["leading zeros", "dotted", "spaces", "19 digits"],
)
def test_ids_are_written_back_as_they_came(ids: list[str], tmp_path: Path) -> None:
    leads = "lead_id,created_at\n" + "".join(f"{lead},2024-01-01\n" for lead in ids)
    # Another table may have trimmed them, and holds some of them only.
    events = "lead_id,occurred_at,action\n" + "".join(f"{lead.strip()},2024-01-02,a\n" for lead in ids[::2])
    outcomes = f"lead_id,occurred_at,stage\n{ids[0]},2024-02-01,closed_won\n"
    files: dict[str, Any] = {"leads.csv": leads, "events.csv": events, "outcomes.csv": outcomes}
    journeys = read(tmp_path, files)
    assert journeys.leads["lead_id"].astype("str").tolist() == ids
    assert journeys.events["lead_id"].astype("str").tolist() == ids[::2]
    query = {"sql": "select * from read_csv('leads.csv', all_varchar = true)"}
    assert read(tmp_path, files, leads=query).leads["lead_id"].astype("str").tolist() == ids


LOST = {
    "dotted": ["1.10", "1.20", "2.30"],
    "as floats": ["1.0", "2.0", "3.0"],
    "20 digits": ["12345678901234567890", "12345678901234567891", "12345678901234567892"],
}


@pytest.mark.parametrize("ids", LOST.values(), ids=LOST.keys())
@pytest.mark.parametrize(
    "query",
    ["select * from 'leads.csv'", "select id as lead_id, created_at from read_csv('leads.csv')"],
    ids=["named alike", "renamed"],
)
def test_ids_that_a_query_would_take_for_numbers_are_refused(
    ids: list[str], query: str, tmp_path: Path
) -> None:
    name = "id" if "id as" in query else "lead_id"
    leads = f"{name},created_at,zip\n" + "".join(f"{lead},2024-01-01,01234\n" for lead in ids)
    remedy = rf"column '{name}' of leads.csv for numbers.*types = \{{'{name}': 'VARCHAR'\}}\)"
    with pytest.raises(SourceError, match=remedy):
        read(tmp_path, {"leads.csv": leads}, leads={"sql": query})
    as_text = query.replace(
        "read_csv('leads.csv')" if "read_csv" in query else "'leads.csv'",
        f"read_csv('leads.csv', types = {{'{name}': 'VARCHAR'}})",
    )
    assert read(tmp_path, {"leads.csv": leads}, leads={"sql": as_text}).leads["lead_id"].tolist() == ids


def test_leading_zeros_stay_and_a_query_that_strips_them_is_refused(tmp_path: Path) -> None:
    leads = {"leads.csv": "lead_id,created_at\n007,2024-01-01\n010,2024-01-01\n"}
    outcomes = {"outcomes.csv": "lead_id,occurred_at,stage\n007,2024-02-01,closed_won\n"}
    events = {"events.csv": "lead_id,occurred_at,action\n010,2024-01-02,a\n"}
    query = "select * from read_csv('leads.csv', types = {'lead_id': '%s'})"
    journeys = read(tmp_path, {**leads, **outcomes, **events}, leads={"sql": query % "VARCHAR"})
    assert journeys.leads["lead_id"].tolist() == ["007", "010"]
    assert journeys.events["lead_id"].tolist() == ["010"]
    with pytest.raises(
        SourceError, match="takes the ids in column 'lead_id' of leads.csv for numbers, so '007'"
    ):
        read(tmp_path, leads, leads={"sql": query % "BIGINT"})


def test_a_query_of_plain_numbers_may_read_codes_beside_them(tmp_path: Path) -> None:
    leads = "lead_id,created_at,zip\n1,2024-01-01,00001\n2,2024-01-01,01234\n3,2024-01-01,00003\n"
    assert read(tmp_path, {"leads.csv": leads}, leads={"sql": "select * from 'leads.csv'"}).leads[
        "lead_id"
    ].tolist() == [1, 2, 3]


def test_a_word_for_missing_can_be_named(tmp_path: Path) -> None:
    leads = "lead_id,created_at,budget\n1,2024-01-01,later\n2,2024-01-02,5\n3,2024-01-03,7\n"
    assert read(tmp_path, {"leads.csv": leads}).leads["budget"].tolist() == ["later", "5", "7"]
    named = read(tmp_path, {"leads.csv": leads}, missing=["Later"]).leads["budget"]
    np.testing.assert_array_equal(named, [np.nan, 5, 7])
