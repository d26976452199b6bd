"""Bad tables: each export a user could bring is refused with what is wrong, where, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_input.front_door import (
    EARLIER,
    Bad,
    Desk,
    every,
    file,
    gone,
    judge,
    leave_result,
    names_in,
    run,
    setting,
    swap,
)

LEADS = "lead_id,created_at,country\n" + "".join(
    f"{n},2024-01-{1 + n // 2:02d},{'US' if n % 3 else 'DE'}\n" for n in range(1, 41)
)
EVENTS = "lead_id,occurred_at,action\n" + "".join(
    f"{n},2024-02-{1 + n // 2:02d} 10:00,visit\n" for n in range(1, 41)
)
OUTCOMES = "lead_id,occurred_at,stage\n" + "".join(
    f"{n},2024-01-{3 + n // 2:02d},closed_won\n" for n in range(2, 41, 3)
)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Forty leads and a config that ``mqlml check`` accepts, as the first test below shows."""
    monkeypatch.chdir(tmp_path)
    desk = Desk(
        tmp_path,
        {
            "name": "leads",
            "data": {
                "observed_until": "2024-12-31",
                "leads": {"path": "leads.csv"},
                "events": {"path": "events.csv"},
                "outcomes": {"path": "outcomes.csv"},
            },
            "problem": {"horizon": "3d", "snapshots": {"ages": ["0d"]}},
        },
    )
    desk.write("leads.csv", LEADS)
    desk.write("events.csv", EVENTS)
    desk.write("outcomes.csv", OUTCOMES)
    return desk


BAD = [
    Bad(
        "leads-missing",
        gone("leads.csv"),
        r"data\.leads: there is no file 'leads\.csv'; relative paths start at the config's folder",
        "SourceError",
    ),
    Bad(
        "leads-misspelt",
        setting("data.leads.path", "leeds.csv"),
        r"data\.leads: there is no file 'leeds\.csv'; did you mean 'leads\.csv'\?",
        "SourceError",
    ),
    Bad(
        "folder-missing",
        setting("data.leads.path", "exports/leads.csv"),
        r"data\.leads: there is no folder 'exports'; relative paths start at",
        "SourceError",
    ),
    Bad(
        "glob-matches-nothing",
        setting("data.leads.path", "leads-*.csv"),
        r"data\.leads: no file matches 'leads-\*\.csv'; relative paths",
        "SourceError",
    ),
    Bad("events-missing", gone("events.csv"), r"data\.events: there is no file 'events\.csv'", "SourceError"),
    Bad(
        "empty-file",
        file("outcomes.csv", b""),
        r"outcomes\.csv is empty \(0 bytes\); a table needs a header line and rows, so export it again",
        "SourceError",
    ),
    Bad(
        "blank-lines",
        file("outcomes.csv", b"\n\n\n"),
        r"outcomes\.csv is empty; a table needs a header line and rows",
        "SourceError",
    ),
    Bad(
        "header-only",
        file("leads.csv", "lead_id,created_at\n"),
        r"data\.leads \(leads\.csv\) has a header and no rows; export it again",
        "ContractError",
    ),
    Bad(
        "wrong-delimiter",
        file("leads.csv", LEADS.replace(",", ";")),
        r"leads\.csv has one column only, .* holds a semicolon; write delimiter: \";\" next to its path",
        "SourceError",
    ),
    Bad(
        "delimiter-of-two",
        setting("data.leads.delimiter", "||"),
        r"'delimiter' must be one character, as ';' .*; found '\|\|'",
        "SourceError",
    ),
    Bad(
        "utf-16-without-mark",
        file("leads.csv", LEADS.encode("utf-16-le")),
        r"leads\.csv is not utf-8 text; name its encoding, as encoding: .*utf-16",
        "SourceError",
    ),
    Bad(
        "latin-1",
        file("leads.csv", LEADS.replace("DE", "Österreich").encode("latin-1")),
        r"leads\.csv is not utf-8 text; name its encoding, as encoding: latin-1",
        "SourceError",
    ),
    Bad(
        "unknown-encoding",
        setting("data.leads.encoding", "klingon"),
        r"unknown 'encoding' 'klingon'; common ones are utf-8",
        "SourceError",
    ),
    Bad(
        "a-workbook",
        file("leads.csv", b"PK\x03\x04" + bytes(60)),
        r"leads\.csv cannot be unpacked to its end .*; fetch it again",
        "SourceError",
    ),
    Bad(
        "not-parquet",
        every(file("leads.parquet", LEADS), setting("data.leads.path", "leads.parquet")),
        r"leads\.parquet cannot be read as Parquet .*; write it again",
        "SourceError",
    ),
    Bad(
        "cut-off-parquet",
        every(file("leads.parquet", b"PAR1" + bytes(40)), setting("data.leads.path", "leads.parquet")),
        r"leads\.parquet cannot be read as Parquet \(damaged, or cut off .*; write it again",
        "SourceError",
    ),
    Bad(
        "open-quote",
        swap("leads.csv", "3,2024", '3,"2024', 1),
        r"a quote opened in row 3 of leads\.csv is not closed .*; close the quote, or double it",
        "SourceError",
    ),
    Bad(
        "duplicate-columns",
        swap("leads.csv", "lead_id,created_at,country", "lead_id,created_at,lead_id"),
        r"leads\.csv has more than one column called 'lead_id'; .* rename one of them",
        "ContractError",
    ),
    Bad(
        "required-column-missing",
        swap("leads.csv", "created_at", "created_on"),
        r"no column 'created_at'; did you mean 'created_on'\?.*\{created_at: …\}.*Columns found: lead_id, created_on",
        "ContractError",
    ),
    Bad(
        "mapped-column-missing",
        setting("data.events.columns", {"channel": "medium"}),
        r"data\.events \(events\.csv\) has no column 'medium'; it is mapped to channel in data\.events\.columns, so "
        "correct it there",
        "ContractError",
    ),
    Bad(
        "unknown-table-column",
        setting("data.events.columns", {"chanel": "action"}),
        r"data\.events\.columns: events have no column 'chanel'; did you mean 'channel'\?",
        "ConfigError",
    ),
    Bad(
        "stage-column-missing",
        file("outcomes.csv", "lead_id,occurred_at\n2,2024-03-01\n"),
        r"data\.outcomes .* has no column 'stage'; .*data\.outcomes\.stage: closed_won",
        "ContractError",
    ),
    Bad(
        "null-ids",
        swap("leads.csv", "\n7,", "\n,"),
        r"1 of 40 rows cannot be used \(2\.5%.* 1 × required value is missing.*row 7 of leads\.csv: lead_id = None\. "
        "Keep the rows that have one, as .*is not null",
        "QuarantineError",
    ),
    Bad(
        "duplicate-ids",
        swap("leads.csv", "\n8,", "\n7,"),
        r"1 of 40 rows .*allows 1\.0%\): 1 × duplicate key.*row 8 of leads\.csv: lead_id = '7'\. Mend the source",
        "QuarantineError",
    ),
    Bad(
        "unreadable-times",
        swap("leads.csv", "2024-01-05", "05/01/2024"),
        r"2 × not an ISO date or time.*created_at = '05/01/2024'\. Say how times are written, as .*%d/%m/%Y",
        "QuarantineError",
    ),
    Bad(
        "the-year-9999",
        swap("leads.csv", "2024-01-05", "9999-12-31"),
        r"2 × time outside 1900 to 2199.*created_at = '9999-12-31'\. Mend the source, or raise",
        "QuarantineError",
    ),
    Bad(
        "numbers-for-times",
        file("leads.csv", "lead_id,created_at\n1,1704067200\n2,1704067200\n"),
        r"2 of 2 rows .*created_at = '1704067200'\. Say how times are written, .*unit: s\}",
        "QuarantineError",
    ),
    Bad(
        "wrong-unit-of-times",
        every(
            file("leads.csv", "lead_id,created_at\n1,1704067200000\n"),
            setting("data.leads.columns", {"created_at": {"column": "created_at", "unit": "s"}}),
        ),
        r"time outside 1900 to 2199.*Correct the hint in data\.leads\.columns\.created_at",
        "QuarantineError",
    ),
    Bad(
        "wrong-format-of-times",
        setting("data.leads.columns", {"created_at": {"column": "created_at", "format": "dd/mm/yyyy"}}),
        r"the format of 'created_at' .* must be written with directives .*; found 'dd/mm/yyyy'",
        "ConfigError",
    ),
    Bad(
        "short-lines",
        swap("events.csv", ",visit", ""),
        r"40 × line has fewer fields than the header.*row 1 of events\.csv: '1,2024-02-01 10:00'\. Quote fields",
        "QuarantineError",
    ),
    Bad(
        "unknown-stage-words",
        swap("outcomes.csv", "closed_won", "Signed"),
        r"13 × unknown stage.*which of our stages 'Signed' is, as data\.outcomes\.stages: \{Signed: closed_won\}",
        "QuarantineError",
    ),
    Bad(
        "outcomes-of-strangers",
        swap("outcomes.csv", "\n2,", "\n902,"),
        r"1 × unknown lead.*lead_id = '902'\. Check that data\.leads holds all leads",
        "QuarantineError",
    ),
    Bad(
        "words-for-numbers",
        setting("data.events.columns", {"value": "action"}),
        r"40 × not a number.*action = 'visit'\. Say how numbers are written, .* or map another column",
        "QuarantineError",
    ),
    Bad(
        "files-that-differ",
        every(
            file("in/a.csv", LEADS),
            file("in/b.csv", "lead_id,created_at\n99,2024-01-01\n"),
            setting("data.leads.path", "in"),
        ),
        r"files of data\.leads must have the same columns; a\.csv has 'country' and b\.csv has not\. Name the files",
        "SourceError",
    ),
    Bad(
        "folder-of-nothing",
        every(file("in/readme.md", "hello"), setting("data.leads.path", "in")),
        r"the folder 'in' holds no CSV, Parquet or Excel file \(\.csv.*\); put the export into it, or name another",
        "SourceError",
    ),
    Bad(
        "sql-that-does-not-run",
        setting("data.leads", {"sql": "select * form 'leads.csv'"}),
        r"data\.leads\.sql does not run in DuckDB: .*syntax error.*; correct the query",
        "SourceError",
    ),
    Bad(
        "sql-that-writes",
        setting("data.leads", {"sql": "create table a (b int)"}),
        r"data\.leads\.sql must be a query that returns rows \(select …\); found 'create table",
        "SourceError",
    ),
    Bad(
        "a-database",
        setting("data.leads", {"sql": "select 1", "url": "oracle://me:secret@db/crm"}),
        r"(?!.*secret).*a url must begin with postgresql://, .*; found 'oracle://me@db/crm'",
        "ConfigError",
    ),
    Bad(
        "stage-said-twice",
        every(
            setting("data.outcomes.stage", "closed_won"),
            setting("data.outcomes.stages", {"Won": "closed_won"}),
        ),
        r"data\.outcomes: has a constant 'stage' and also .*; remove one of the two",
        "ConfigError",
    ),
]


def ids(bad: Bad) -> str:
    return bad.id


@pytest.mark.parametrize("bad", BAD, ids=ids)
def test_a_bad_table_is_refused(bad: Bad, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    bad.spoil(desk)
    desk.save()
    earlier = leave_result(desk, "table.csv")
    before = names_in(desk.folder)
    judge(["table", "--out", "table.csv"], bad, capsys)
    assert earlier.read_bytes() == EARLIER
    assert names_in(desk.folder) == before


@pytest.mark.parametrize(
    "content",
    [LEADS.encode("utf-8-sig"), LEADS.encode("utf-16"), LEADS.replace("\n", "\r\n").encode()],
    ids=["utf-8 with a mark", "utf-16 with a mark", "lines as Windows ends them"],
)
def test_some_oddities_simply_work(content: bytes, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.save()
    expected = run(["check", "--json"], capsys)
    desk.write("leads.csv", content)
    assert run(["check", "--json"], capsys) == expected
    assert (expected[0], expected[2]) == (0, "")
