"""What texts of a profile tell: sizes of companies, phone numbers, job titles in several languages, mail domains."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from mqlml.config import Profile
from mqlml.errors import ConfigError
from mqlml.features.parsers.company import mail_kind, read_employees, read_lists, size_band, size_bands
from mqlml.features.parsers.job_title import is_phone, read_titles, title_function, title_seniority
from tests.features.worlds import make_config_of

ENDS = (10.0, 50.0, 200.0, 500.0, 1000.0, 5000.0, 10000.0)


@pytest.mark.parametrize(
    ("text", "employees", "band"),
    [
        ("51-200", 125.5, "51 to 200"),
        ("51 – 200 employees", 125.5, "51 to 200"),
        ("11 to 50", 30.5, "11 to 50"),
        ("1,001-5,000", 3000.5, "1001 to 5000"),
        ("1.001 - 5.000", 3000.5, "1001 to 5000"),
        ("10 001 à 20 000", 15000.5, "over 10000"),
        ("1,000+", 1001.0, "1001 to 5000"),
        ("10,001+", 10002.0, "over 10000"),
        ("> 500", 501.0, "501 to 1000"),
        ("mehr als 200", 201.0, "201 to 500"),
        ("<10", 5.0, "1 to 10"),
        ("up to 50", 25.0, "11 to 50"),
        ("10", 10.0, "1 to 10"),
        ("11", 11.0, "11 to 50"),
        ("2.5k", 2500.0, "1001 to 5000"),
        ("1-5k", 3000.0, "1001 to 5000"),
        ("200.0", 200.0, "51 to 200"),
        ("Self-employed", 1.0, "1 to 10"),
    ],
)
def test_company_sizes(text: str, employees: float, band: str) -> None:
    assert read_employees(text) == employees
    assert size_band(employees, ENDS) == band


@pytest.mark.parametrize("text", ["unknown", "", "200-51", "enterprise"])
def test_a_text_without_a_size_tells_none(text: str) -> None:
    assert read_employees(text) is None


def test_bands_are_named_by_their_ends() -> None:
    assert size_bands((2.0, 9.0)) == ("1 to 2", "3 to 9", "over 9")
    with pytest.raises(ConfigError, match=r"profile\.size_bands: must be ascending numbers of employees"):
        make_config_of(profile={"size_bands": [50, 10]})


@pytest.mark.parametrize(
    ("text", "can_be"),
    [
        ("+49 (0)30 901820", True),
        ("001 555 123 4567", True),
        ("555-0142 ext. 12", True),
        ("5550142", True),
        ("+1.650.253.0000", True),
        ("123456", False),
        ("1234567890123456", False),
        ("0000000000", False),
        ("1234567890", False),
        ("9876543210", False),
        ("n/a", False),
        ("call me 5550142", False),
        ("+49 (0)30 901820 / 12 345 678 901", False),
    ],
)
def test_phone_numbers(text: str, can_be: bool) -> None:
    assert is_phone(text) is can_be


@pytest.mark.parametrize(
    ("title", "seniority", "function"),
    [
        ("Executive Assistant to the CEO", "junior", "management"),
        ("Product Owner", "specialist", "product"),
        ("HR Business Partner", "specialist", "people"),
        ("Channel Partner Manager", "manager", "sales"),
        ("Chief of Staff", "director", "operations"),
        ("Geschäftsführender Gesellschafter, Inhaber", "owner", "management"),
        ("Marketingleiterin", "director", "marketing"),
        ("Softwareentwickler", "specialist", "it"),
        ("Vertriebsmitarbeiter im Außendienst", "specialist", "sales"),
        ("Directrice générale", "c_level", "management"),
        ("Responsable des achats", "manager", "purchasing"),
        ("Ingénieur commercial", "specialist", "sales"),
        ("Director de Tecnología", "director", "it"),
        ("Jefa de ventas", "manager", "sales"),
        ("Gerente de Recursos Humanos", "manager", "people"),
        ("Diretora Financeira", "director", "finance"),
        ("Sócia fundadora", "owner", "management"),
        ("Amministratore Delegato", "c_level", "management"),
        ("Responsabile Acquisti", "manager", "purchasing"),
        ("Hoofd Inkoop", "director", "purchasing"),
        ("Eigenaar", "owner", "management"),
        ("Właściciel", "owner", "management"),
        ("Kierownik działu sprzedaży", "director", "sales"),
        ("VP, Eng.", "vp", "other"),
        ("Estagiário de Marketing", "junior", "marketing"),
    ],
)
def test_job_titles_of_several_languages(title: str, seniority: str, function: str) -> None:
    assert (title_seniority(title), title_function(title)) == (seniority, function)


def test_no_phrase_stands_in_two_rows_of_the_table_and_each_is_written_plainly() -> None:
    text = files("mqlml.features.parsers").joinpath("job_titles.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    phrases = [(row["what"], phrase) for row in rows for phrase in row["words"].split("|")]
    assert len(set(phrases)) == len(phrases)
    assert all(phrase.isascii() and phrase == " ".join(phrase.lower().split()) for _, phrase in phrases)
    assert {row["what"] for row in rows} == {"seniority", "function"}
    assert len(phrases) > 1000


ROWS = [
    {"what": "seniority", "value": "c_level", "words": ["Grand Poobah of Everything", "Häuptling"]},
    {"what": "function", "value": "alchemy", "words": ["wizard"]},
]


@pytest.mark.parametrize("from_file", [False, True], ids=["in the config", "in a file"])
def test_rows_of_the_config_come_before_the_table(from_file: bool, tmp_path: Path) -> None:
    written: Any = ROWS
    if from_file:
        lines = [f"{row['what']},{row['value']},{'|'.join(row['words'])}" for row in ROWS]
        (tmp_path / "titles.csv").write_text("\n".join(["what,value,words", *lines]), encoding="utf-8")
        written = "titles.csv"
    added = read_titles(Profile.model_validate({"job_titles": written}), tmp_path)
    assert title_seniority("Grand poobah of everything, junior manager", added) == "c_level"
    assert title_seniority("Häuptling", added) == "c_level"
    assert title_function("IT Wizard", added) == "alchemy"
    assert title_function("IT Wizard") == "it"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("what,value,words\nrank,boss,jefe", r"row 1 of titles\.csv must hold what .*'rank'"),
        ("what,value,words\nseniority,Boss!,jefe", r"row 1 .*small letters"),
        ("title,level\nCEO,1", r"must hold what"),
        (None, r"names the file '.*titles\.csv', which cannot be read"),
    ],
    ids=["what", "value", "columns", "no file"],
)
def test_a_table_that_is_none_is_refused(text: str | None, says: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "titles.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        read_titles(Profile(job_titles="titles.csv"), tmp_path)


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        ("mailinator.com", "disposable"),  # free as well, and of both the worse
        ("x@sub.yopmail.com", "disposable"),
        ("GMX.de", "free"),
        ("mailbox.org", "free"),  # mqlml's own list
        ("acme.example", "corporate"),
    ],
)
def test_the_lists_of_the_packages(domain: str, kind: str) -> None:
    assert mail_kind(domain) == kind


def test_the_config_files_domains_otherwise() -> None:
    config = make_config_of(
        profile={
            "mail_domains": {
                "free": ["@Club.Example"],
                "corporate": ["gmail.com"],
                "disposable": ["bin.acme.example"],
            }
        }
    )
    lists = read_lists(config.profile.mail_domains)
    assert mail_kind("ann@club.example", lists) == "free"
    assert mail_kind("ann@gmail.com", lists) == "corporate"
    assert mail_kind("ann@bin.acme.example", lists) == "disposable"
    assert mail_kind("ann@acme.example", lists) == "corporate"
