"""Files as people have them: what is read, which row is which, and what is said of a file that cannot be read."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mqlml.config import Table
from mqlml.errors import ContractError, MqlmlError, SourceError
from mqlml.journeys.sources import Source, read_source

from .files import write


def read(
    folder: Path, *, wanted: list[str] | None = None, words: tuple[str, ...] = (), **spec: Any
) -> Source:
    return read_source(
        Table(**spec), where="data.leads", base=folder, zone="Europe/Berlin", wanted=wanted, words=words
    )


def rows(source: Source) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in source.table.to_pylist()]


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,x\n2,\xc3\xa9\n",
        b"a,b\r\n1,x\r\n2,\xc3\xa9\r\n",
        b"a,b\r1,x\r2,\xc3\xa9\r",
        b"a,b\r\n1,x\n2,\xc3\xa9\r\n",
        b"a,b\n1,x\n2,\xc3\xa9",
        b"\xef\xbb\xbfa,b\n1,x\n2,\xc3\xa9\n",
        b"\n\na,b\n1,x\n\n2,\xc3\xa9\n\n",
        b'"a", b \n"1",x\n2,"\xc3\xa9"\n',
        "a,b\n1,x\n2,é\n".encode("utf-16"),
        "a,b\r\n1,x\r\n2,é\r\n".encode("utf-16-be").join([b"\xfe\xff", b""]),
        "a,b\n1,x\n2,é\n".encode("utf-32"),
        gzip.compress("a,b\n1,x\n2,é\n".encode()),
        gzip.compress("a,b\n1,x\n2,é\n".encode("utf-16")),
    ],
    ids=["LF", "CRLF", "CR", "mixed line ends", "no last line end", "UTF-8 mark", "empty lines", "quotes and spaces",
         "UTF-16", "UTF-16 big endian", "UTF-32", "gzip", "gzip of UTF-16"],
)  # fmt: skip
def test_csv_in_every_dress(tmp_path: Path, content: bytes) -> None:
    source = read(write(tmp_path, {"leads.csv": content}), path="leads.csv")
    assert source.names == ("a", "b")
    assert rows(source) == [("1", "x"), ("2", "é")]
    assert source.rows.tolist() == [1, 2]
    assert source.misfits == ()


def test_encodings_and_delimiters_that_the_config_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"latin.csv": "a;b\n1;é\n".encode("latin-1"), "tab.csv": "a\tb\n1\té\n", "x.tsv": "a\tb\n1\té\n"},
    )
    assert rows(read(tmp_path, path="latin.csv", delimiter=";", encoding="latin-1")) == [("1", "é")]
    assert rows(read(tmp_path, path="tab.csv", delimiter="\t")) == [("1", "é")]
    assert rows(read(tmp_path, path="tab.csv", delimiter="\\t")) == [("1", "é")]
    assert rows(read(tmp_path, path="x.tsv")) == [("1", "é")]


def test_csv_stays_text_and_empty_is_null(tmp_path: Path) -> None:
    write(tmp_path, {"leads.csv": 'id,zip,note\n007,01234,""\n10803.0,,NULL\n'})
    assert rows(read(tmp_path, path="leads.csv")) == [("007", "01234", None), ("10803.0", None, "NULL")]


def test_names_that_differ_by_case_quoted_line_ends_and_odd_file_names(tmp_path: Path) -> None:
    name = "Dave's leads [2024] (1)*.csv"
    write(tmp_path, {name: '"first\nname",Country,country,\n"x\ny",US,us,1\n'})
    source = read(tmp_path, path=name)
    assert source.names == ("first\nname", "Country", "country", "column_4")
    assert rows(source) == [("x\ny", "US", "us", "1")]


def test_lines_that_do_not_fit_keep_their_row_numbers(tmp_path: Path) -> None:
    text = 'a,b,c\n1,"x\n\ny",z\n2,x\n\n3,x,y,z\n4,x,y\n5,"x"y,z\n6,x,y\n'
    source = read(write(tmp_path, {"leads.csv": text}), path="leads.csv")
    assert rows(source) == [("1", "x\n\ny", "z"), ("4", "x", "y"), ("6", "x", "y")]
    assert source.rows.tolist() == [1, 4, 6]
    assert [(misfit.row, misfit.text, misfit.reason) for _, misfit in source.misfits] == [
        (2, "2,x", "line has fewer fields than the header"),
        (3, "3,x,y,z", "line has more fields than the header"),
        (5, '5,"x"y,z', "line has broken quotes"),
    ]


def test_row_numbers_in_a_file_that_is_read_in_parallel(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 400_000
    bad = set(rng.choice(n, size=300, replace=False).tolist())
    lines = [f"{row},short" if row in bad else f'{row},"two\nlines",x' for row in range(n)]
    write(tmp_path, {"leads.csv": "id,note,more\n" + "\n".join(lines)})
    source = read(tmp_path, path="leads.csv", wanted=["id"])
    assert source.table.column_names == ["id"]
    assert source.names == ("id", "note", "more")
    ids = source.column("id").cast(pa.int64()).to_numpy()
    assert (source.rows == ids + 1).all()
    assert {misfit.row - 1 for _, misfit in source.misfits} == bad
    assert len(ids) + len(bad) == n


def test_parquet_keeps_its_types_and_encoded_words(tmp_path: Path) -> None:
    table = pa.table(
        {
            "Account.Name": pa.array([1, None], pa.int64()),
            "account.name": pa.array([1, 2], pa.timestamp("ns", "Asia/Tokyo")),
            "action": ["visit", None],
            "nested": [[1], [2]],
        }
    )
    write(tmp_path, {"leads.parquet": table})
    source = read(tmp_path, path="leads.parquet", words=("action", "nested", "absent"))
    assert source.names == ("Account.Name", "account.name", "action", "nested")
    assert source.table.schema.types[:2] == table.schema.types[:2]
    assert pa.types.is_dictionary(source.table.schema.field("action").type)
    assert read(tmp_path, path="leads.parquet", wanted=["Account.Name"]).table.column_names == [
        "Account.Name"
    ]


def test_parquet_under_another_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "leads.dat")
    assert rows(read(tmp_path, path="leads.dat")) == [(1,)]


def test_folders_and_globs_in_the_order_of_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "in/part-1.csv": "a,b\n1,x\n2\n3,x\n",
            "in/part-0.csv": "b,a\nx,0\n",
            "in/_SUCCESS": "",
            "in/.part-1.csv.crc": "junk",
            "in/deep/part-2.csv": "a,b\n4,x\n",
        },
    )
    source = read(tmp_path, path="in")
    assert source.column("a").to_pylist() == ["4", "0", "1", "3"]
    assert source.rows.tolist() == [1, 1, 1, 3]
    assert source.file_of(np.arange(4)) == ["deep/part-2.csv", "part-0.csv", "part-1.csv", "part-1.csv"]
    assert [(file, misfit.row) for file, misfit in source.misfits] == [("part-1.csv", 2)]
    assert source.where == "data.leads (in, 3 files)"
    assert read(tmp_path, path="in/part-*.csv").column("a").to_pylist() == ["0", "1", "3"]
    assert read(tmp_path, path="in/**/*.csv").column("a").to_pylist() == ["4", "0", "1", "3"]


def test_parquet_parts_with_and_without_nulls(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "in/0.parquet": pa.table({"a": pa.array([1], pa.int64()), "w": ["x"], "n": pa.nulls(1)}),
            "in/1.parquet": pa.table({"a": pa.array([2.0, None]), "w": ["y", "x"], "n": ["t", None]}),
        },
    )
    source = read(tmp_path, path="in", words=("w",))
    assert rows(source) == [(1, "x", None), (2, "y", "t"), (None, "x", None)]


def test_sql_reads_neighbours_in_the_zone_of_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path, {"users.csv": "id,seen\n1,2024-07-01 10:00\n2,2024-07-02 10:00\n", "deep/x.csv": "id\n9\n"}
    )
    monkeypatch.chdir(write(tmp_path / "elsewhere", {"users.csv": "id\n-1\n"}))
    source = read(tmp_path, sql="select id, cast(seen as timestamptz) as t from 'users.csv' where id < 2")
    assert source.column("t").cast(pa.timestamp("us", "UTC")).to_pylist()[0].hour == 8
    assert source.rows.tolist() == [1]
    assert source.where == "data.leads (sql)"
    assert rows(read(tmp_path, sql="select id from 'deep/x.csv'")) == [(9,)]


def test_a_query_gives_the_same_order_each_time(tmp_path: Path) -> None:
    sql = "select distinct i % 300000 as id from range(1000000) t(i)"  # on two threads never twice alike
    first, second = (read(tmp_path, sql=sql).column("id") for _ in range(2))
    assert first.equals(second)


@pytest.mark.parametrize(
    ("files", "spec", "error", "words"),
    [
        ({"leads.csv": ""}, {"path": "lead.csv"}, SourceError, "did you mean 'leads.csv'"),
        ({}, {"path": "export/leads.csv"}, SourceError, "there is no folder"),
        ({"in/notes.md": "x"}, {"path": "in"}, SourceError, "holds no CSV, Parquet or Excel file"),
        ({}, {"path": "*.csv"}, SourceError, "no file matches"),
        ({"leads.csv": ""}, {"path": "leads.csv"}, SourceError, r"is empty \(0 bytes\)"),
        ({"leads.parquet": ""}, {"path": "leads.parquet"}, SourceError, r"is empty \(0 bytes\)"),
        ({"leads.csv": "\n\n"}, {"path": "leads.csv"}, SourceError, "needs a header line"),
        ({"leads.csv": "a;b\n1;2\n"}, {"path": "leads.csv"}, SourceError, 'a semicolon; write delimiter: ";"'),
        ({"leads.csv": "a\tb\n1\t2\n"}, {"path": "leads.csv"}, SourceError, r'a tab; write delimiter: "\\t"'),
        ({"leads.csv": "a,b\n1,2\n"}, {"path": "leads.csv", "delimiter": ";"}, SourceError, "holds a comma"),
        ({"leads.csv": "a,b\n"}, {"path": "leads.csv", "delimiter": "::"}, SourceError, "must be one character"),
        ({"leads.csv": "a,b\n1,é\n".encode("latin-1")}, {"path": "leads.csv"}, SourceError, "encoding: latin-1"),
        (
            {"leads.csv": b"a,b\n" + b"1,x\n" * 9000 + b"2,\xe9\n"},
            {"path": "leads.csv"}, SourceError, "row 9001 of leads.csv is not UTF-8",
        ),
        ({"leads.csv": "a,b\n1,x\n".encode("utf-16-le")}, {"path": "leads.csv"}, SourceError, "is not utf-8 text"),
        ({"leads.csv": "a,b\n1,é\n"}, {"path": "leads.csv", "encoding": "ascii"}, SourceError, "is not ascii text"),
        ({"leads.csv": "a,b\n"}, {"path": "leads.csv", "encoding": "cp1253x"}, SourceError, "did you mean 'cp125"),
        ({"leads.csv": b"PK\x03\x04rest"}, {"path": "leads.csv"}, SourceError, "cannot be unpacked to its end"),
        ({"leads.csv": "a,b,a\n1,2,3\n"}, {"path": "leads.csv"}, ContractError, "more than one column called 'a'"),
        ({"leads.csv": 'a,b\n1,x\n"2,y\n3,z\n4,u\n'}, {"path": "leads.csv"}, SourceError, "opened in row 2"),
        ({"leads.csv": 'a,b\n1,"x\n2,y\n3,z"w\n4,u\n'}, {"path": "leads.csv"}, SourceError, "opened in row 1"),
        ({"leads.parquet": b"PAR1 cut off"}, {"path": "leads.parquet"}, SourceError, "cannot be read as Parquet"),
        ({"leads.parquet": "a,b\n1,2\n"}, {"path": "leads.parquet"}, SourceError, "cannot be read as Parquet"),
        (
            {"in/0.csv": "a,b\n1,2\n", "in/1.csv": "a,c\n1,2\n"},
            {"path": "in"}, SourceError, "0.csv has 'b' and 1.csv has not",
        ),
        (
            {"in/0.parquet": pa.table({"a": [1]}), "in/1.parquet": pa.table({"a": ["x"]})},
            {"path": "in"}, SourceError, "is int64 in 0.parquet and string in 1.parquet",
        ),
        ({}, {"sql": "select * from 'gone.csv'"}, SourceError, "does not run in DuckDB: IO Error"),
        ({}, {"sql": "selec 1"}, SourceError, "does not run in DuckDB: Parser Error"),
        ({}, {"sql": "create table t (a int)"}, SourceError, "must be a query that returns rows"),
        ({}, {"sql": "select 1", "url": "postgresql://host/crm"}, SourceError, "this command reads files"),
    ],
    ids=["misspelt", "no folder", "folder without tables", "glob without files", "0 bytes", "0 bytes Parquet",
         "line ends only", "semicolons", "tabs", "commas", "long delimiter", "latin-1", "latin-1 further down",
         "UTF-16 without mark", "not ASCII", "unknown encoding", "workbook", "duplicate names", "open quote",
         "stray quote", "cut off", "not Parquet", "parts differ", "types differ", "sql without file", "bad sql",
         "no select", "url"],
)  # fmt: skip
def test_sources_that_cannot_be_read(
    tmp_path: Path, files: dict[str, Any], spec: dict[str, str], error: type[MqlmlError], words: str
) -> None:
    write(tmp_path, files)
    with pytest.raises(error, match=words) as caught:
        read(tmp_path, **spec)
    message = str(caught.value)
    assert message.count("\n") <= 1
    assert "data.leads" in message
    assert caught.value.exit_code == 1


def test_a_damaged_parquet_body(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": np.arange(10_000)}), tmp_path / "leads.parquet")
    content = bytearray((tmp_path / "leads.parquet").read_bytes())
    content[4:4000] = bytes(3996)
    write(tmp_path, {"leads.parquet": bytes(content)})
    with pytest.raises(SourceError, match=r"leads\.parquet cannot be read as Parquet \(damaged"):
        read(tmp_path, path="leads.parquet")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("name", ["leads.csv", "leads.parquet"])
def test_no_permission(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: "a,b\n1,2\n"})
    (tmp_path / name).chmod(0)
    with pytest.raises(SourceError, match="Permission denied"):
        read(tmp_path, path=name)
