"""Fills the figures of README.md and docs/examples.md from real runs: run ``python docs/make_readme.py``.

A block after ``<!-- output: NAME -->`` is replaced by what the run of that name prints now. The runs on real data
need ``../shared/data`` (or ``$MQLML_REAL_DATA``); without it their blocks stay as they are, and the script says so.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RUN = ROOT / "docs" / "examples.md"
DATA = Path(os.environ.get("MQLML_REAL_DATA", ROOT.parent / "shared" / "data"))

REFUSED = 3
EXAMPLES = {
    "relax": "product sign-ups, two weeks after they signed up",
    "xeducation": "course inquiries; columns that sales fills in later are refused",
    "olist": "seller leads, at first contact",
    "codecademy": "shop visitors, a day after the first touch",
    "dbt_crm": "a generated CRM without any signal",
}
"""The configs of ``examples/``, and what each is about."""


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``mqlml`` in a folder, without a terminal; a refusal is a result, any other failure an error."""
    done = subprocess.run(
        [Path(sys.executable).with_name("mqlml"), *arguments],
        cwd=folder,
        env={**os.environ, "MQLML_REAL_DATA": str(DATA), "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, REFUSED):
        raise RuntimeError(f"mqlml {' '.join(arguments)} must work; it printed:\n{done.stderr}")
    return done


def copy_config(name: str, folder: Path) -> str:
    """A copy of an example's config, so that its store lies in ``folder``."""
    (folder / "examples").mkdir(exist_ok=True)
    text = (ROOT / "examples" / f"{name}.yml").read_text(encoding="utf-8")
    (folder / "examples" / f"{name}.yml").write_text(text, encoding="utf-8")
    return f"examples/{name}.yml"


def make_demo(folder: Path) -> str:
    """What ``mqlml demo`` prints."""
    return f"```\n{run('demo', folder=folder).stdout.rstrip()}\n```"


def make_olist(folder: Path) -> str:
    """Training and scoring as somebody sees them at a prompt."""
    lines = []
    for command in ("train --config {}", "score --config {} --as-of 2018-05-31 --out scores.csv"):
        asked = command.format(copy_config("olist", folder))
        lines += [f"$ mqlml {asked}", *run(*asked.split(), folder=folder).stdout.rstrip().splitlines(), ""]
    return "```\n" + "\n".join(lines).rstrip() + "\n```"


def make_examples(folder: Path) -> str:
    """A row for each example: what is ranked how well, and whether the gate lets the model pass."""
    lines = ["| example | what | ROC AUC | 95% interval | version |", "|---|---|---|---|---|"]
    for name, what in EXAMPLES.items():
        done = run("train", "--dry-run", "--json", "--config", copy_config(name, folder), folder=folder)
        result = json.loads(done.stdout)
        auc = result["holdout"]["roc_auc"]
        verdict = "refused" if done.returncode == REFUSED else "registered"
        lines.append(
            f"| [{name}](examples/{name}.yml) | {what} | {auc['value']:.2f} "
            f"| {auc['low']:.2f} to {auc['high']:.2f} | {verdict} |"
        )
    return "\n".join(lines)


BLOCKS: dict[str, tuple[Path, Callable[[Path], str], bool]] = {
    "demo": (README, make_demo, False),
    "olist": (RUN, make_olist, True),
    "examples": (README, make_examples, True),
}
"""The page of each block, what makes it, and whether that needs the real data."""


def find_block(name: str, text: str) -> re.Match[str]:
    """The block after its marker: a fenced one, or lines of a table (none at first)."""
    found = re.search(rf"(?<=<!-- output: {name} -->\n)(```\n.*?```|(?:\|[^\n]*\n?)*)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"the page must have a line '<!-- output: {name} -->'; found none")
    return found


def main() -> None:
    for name, (page, make, needs_data) in BLOCKS.items():
        if needs_data and not DATA.is_dir():
            sys.stdout.write(f"{name}: left as it is, since there is no {DATA}\n")
            continue
        with tempfile.TemporaryDirectory() as folder:
            made = make(Path(folder))
        text = page.read_text(encoding="utf-8")
        block = find_block(name, text)
        end = "\n" if block.group().endswith("\n") or not block.group() else ""
        text = text[: block.start()] + made + end + text[block.end() :]
        page.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}: filled\n")


if __name__ == "__main__":
    main()
