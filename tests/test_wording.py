"""What people read holds no phrase of the project's former private language.

Every command runs on a simulated company; console, page, help, errors, documentation and the first lines of
docstrings are searched for the patterns below, each with the plain English that replaces it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from mqlml.cli import app, main
from mqlml.commands.inputs import load_model
from mqlml.config import read_config
from mqlml.render.console.train import format_train
from mqlml.render.results import TrainedVersion
from mqlml.results import describe_fields, to_json_safe
from tests.conftest import ROOT
from tests.test_results import KINDS

OLD = {
    r"know nothing after the moment|moment they speak of": "point-in-time features",
    r"\bwhole road\b": "runs every step",
    r"\blook(s|ed)? at\b|[\d,]+ looks\b|\ba look\b|\blooks (a|at|of|that|is|are|was|were)\b": "snapshots; scored on",
    r"mind the points below": "read these cautions first",
    r"\bpromis(e|es|ed|ing)\b": "forecast",
    r"\banew\b": "retrain, again",
    r"\brealised\b": "actual results",
    r"takes in the figure of": "may be luck",
    r"[Pp]airs in the right order": "of two leads, it picks the better one 73% of the time",
    r"growth of the log loss": "how much worse predictions get without it",
    r"\bCame\b(?! (in|before|after)\b)|\bwhat came (of|true)\b|\bcame of (it|them)\b|\bcame to\b": "actual",
    r"\bkept to\b": "limited to",
    r"recorded late\b": "no sale entered after the fact",
    r"\bin vain\b": "has no effect",
    r"what is noted is\b|\bis not read; what": "refused columns are ignored",
    r"^Proof\b|\bProof:": "leak test",
    r"not one of [\d,]+ features moved": "altered none of the features",
    r"too many different texts": "different values",
    r"too good to be known": "too accurate to have been known in advance",
    r"who has not reached those below": "must qualify for every lower level first",
    r"^By \S+ version \d": "scored by",
    r"percentage of looks|of looks at": "percentile among past snapshots",
    r"say more together|a say of their own": "interactions of categories",
    r"forgetting the older ones|been the better guess": "recent periods get more weight",
    r"\bthen flatter\b": "optimistic",
    r"\bat the ages named\b": "configured ages",
    r"^Never, |\bNever, [a-z]": "disqualified",
    r"^At once |\bAt once [A-Z]{3}": "promoted to SQL by the rule",
    r"read by no feature": "has no effect",
    r"\bnobody takes leads\b": "no capacity is set for",
    r"< [\d.]+, the least for": "is below the minimum",
    r"\bno fault of\b": "not an error of",
    r"\bjudg(e|es|ed|ing|es by)\b": "evaluate",
    r"\b(is|are|was|what is) said of\b|\bwhat is asked\b|\bgoes the\b": "plain verbs",
    r"\d[ \N{NO-BREAK SPACE}]%": "% follows the number without a space",
}
"""Pattern of what stood there, and what is written instead."""


def old_phrases(text: str) -> list[str]:
    """What of the old language stands in a text, each with a little around it."""
    found = []
    for pattern in OLD:
        for match in re.finditer(pattern, text, re.MULTILINE):
            around = text[max(0, match.start() - 40) : match.end() + 40].replace("\n", " ")
            found.append(f"{match[0]!r} in …{around}… (write: {OLD[pattern]})")
    return found


@pytest.mark.parametrize(
    "text",
    [
        "2,719 looks at leads",
        "Its calibration cannot be promised",
        "Pairs in the right order: mqlml 73 %",
        "31\N{NO-BREAK SPACE}%",
        "train anew",
        "By demo-leads version 1",
    ],
)
def test_an_old_phrase_is_found(text: str) -> None:
    assert old_phrases(text)


def test_plain_english_is_left_alone() -> None:
    assert not old_phrases("7 days after the lead came in, 73% of leads convert; it looks right")


class VisibleText(HTMLParser):
    """The text of a page, titles and descriptions of charts included, style and script not."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("style", "script")
        self.parts += [value or "" for name, value in attrs if name in ("aria-label", "title", "data-of")]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    return int(str(stopped.value.code or 0))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What every command prints and writes on a simulated company."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("words")
    patch.chdir(folder)
    texts: dict[str, str] = {}

    def record(name: str, *words: str) -> None:
        with pytest.MonkeyPatch.context() as inner:
            lines: list[str] = []
            inner.setattr("typer.echo", lambda text="", **_: lines.append(str(text)))
            assert run(*words) == 0, lines
            texts[name] = "\n".join(lines)

    record("demo", "demo", "d")
    config = ["--config", "d/mqlml.yml"]
    until = str(yaml.safe_load(Path("d/mqlml.yml").read_text(encoding="utf-8"))["data"]["observed_until"])[
        :10
    ]
    scores = Path("d/scores.csv").read_text(encoding="utf-8")
    lead = scores.splitlines()[1].split(",")[0]
    texts |= {"config": Path("d/mqlml.yml").read_text(encoding="utf-8"), "scores": scores}
    texts["page"] = "\n".join(VisibleText(Path("d/report.html").read_text(encoding="utf-8")).parts)
    record("check", "check", *config)
    record("features", "features", *config)
    record("backtest", "backtest", "--periods", "4", *config)
    record("explain", "explain", lead, "--as-of", until, *config)
    record("report", "report", "--out", "r.html", *config)
    bundle, version = load_model(read_config("d/mqlml.yml"), None)
    trained = TrainedVersion(
        **vars(bundle.result), version=1, run_id=version.run_id, aliases=version.aliases, set_aside_in=()
    )
    texts["train"] = format_train(trained)
    texts["train as JSON"] = "\n".join(_texts_of(to_json_safe(trained)))
    patch.undo()
    return texts


def _texts_of(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for item in value.values() for text in _texts_of(item))
    elif isinstance(value, list):
        yield from (text for item in value for text in _texts_of(item))


def test_what_the_commands_print_and_write(outputs: dict[str, str]) -> None:
    found = {name: old_phrases(text) for name, text in outputs.items()}
    assert not {name: phrases for name, phrases in found.items() if phrases}


COMMANDS = sorted(str(command.name or command.callback.__name__) for command in app.registered_commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(command, "--help")
    assert not old_phrases(capsys.readouterr().out)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_descriptions_of_results(kind: type) -> None:
    texts = [kind.__doc__ or "", *describe_fields(kind).values()]
    assert not [phrase for text in texts for phrase in old_phrases(text)]


PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*.yml")),
]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_documentation(path: Path) -> None:
    # Names of files, keys and columns stand between backticks; a page may name an old file.
    text = re.sub(r"`[^`\n]+`", "", path.read_text(encoding="utf-8"))
    assert not old_phrases(text)


MODULES = sorted((ROOT / "mqlml").rglob("*.py"))


def source_texts(path: Path) -> Iterator[str]:
    """First lines of docstrings, and the texts of errors."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (doc := ast.get_docstring(node)):
            yield doc.split("\n\n")[0]
        elif isinstance(node, ast.Raise) and node.exc is not None:
            yield from (
                part.value
                for part in ast.walk(node.exc)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "mqlml")))
def test_the_source(path: Path) -> None:
    assert not [phrase for text in source_texts(path) for phrase in old_phrases(text)]
