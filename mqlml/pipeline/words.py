"""What people read at the command line: a result's dict goes in, a few plain lines come out."""

from __future__ import annotations

from typing import Any

from mqlml.pipeline.lines import columns, local_moment, percent

__all__ = [
    "say_proof",
    "words_of_check",
    "words_of_demo",
    "words_of_report",
    "words_of_score",
    "words_of_table",
]


_KINDS = {"action": "event type", "feature": "feature"}
_LEAK_ACTIONS = ("refused", "forced", "noted")
_FORCED_BY = {
    "column": "a refused column all the same: profile: {force: {COLUMN",
    "action": "a refused event type all the same: features: {force: {EVENT TYPE",
}


def _leaks(leaks: list[dict[str, Any]]) -> list[str]:
    if not leaks:
        return []
    counts = [(sum(leak["action"] == action for leak in leaks), action) for action in _LEAK_ACTIONS]
    found = ", ".join(f"{n:,} {action}" for n, action in counts if n)
    lines = [f"Warning: some of the data seems to be written with the outcome or after it: {found}"]
    for leak in leaks:
        kind = "" if leak["kind"] == "column" else f"{_KINDS[leak['kind']]} "
        lines.append(f"  {kind}{leak['column']} ({leak['action']}, {leak['severity']}): {leak['reason']}")
    kinds = {leak["kind"] for leak in leaks if leak["action"] == "refused"} & set(_FORCED_BY)
    for kind in sorted(kinds, reverse=True):
        lines.append(f"  To keep {_FORCED_BY[kind]}: why it is known at the cutoff}}}}")
    return lines


def say_proof(proof: dict[str, Any] | None) -> str:
    """What was tried to make the future move a feature, and what came of it."""
    if proof is None:
        return (
            "No proof against leaks: a flat table has no times, so nobody can see when a column was written"
        )
    rows = proof["changed"] + proof["removed"] + proof["added"]
    tried = f"{rows:,} rows at or after {proof['snapshots']:,} cutoffs changed, removed or added at random"
    n, moved = proof["features"], len(proof["moved"])
    return f"Proof: {tried}: " + (
        f"not one of {n:,} features moved" if not moved else f"{moved:,} of {n:,} moved"
    )


def _waterfall(population: dict[str, Any]) -> list[str]:
    rows = [("", "snapshots", "leads")]
    rows += [
        (step["step"], f"{step['snapshots']:,}", f"{step['leads']:,}") for step in population["waterfall"]
    ]
    return columns(rows)


def words_of_check(result: dict[str, Any]) -> str:
    """What ``mqlml check`` prints."""
    lines = ["Read"]
    lines += columns(
        (name, f"{table['rows']:,} rows", f"{table['quarantined']:,} set aside")
        for name, table in result["tables"].items()
    )
    for entry in result["quarantine"]:
        column = f".{entry['column']}" if entry["column"] else ""
        value = "" if entry["first_value"] is None else f": {entry['first_value']!r}"
        lines.append(
            f"  {entry['table']}{column}: {entry['rows']:,} × {entry['reason']} "
            f"(first in row {entry['first_row']:,}{value})"
        )
    population = result["population"]
    lines += ["Population", *_waterfall(population)]
    if result["observed_until"] is not None:
        lines.append(
            f"Outcomes are complete until {local_moment(result['observed_until'], result['timezone'])}"
        )
    lines.append(
        f"Converts: {population['positives']:,} of {population['snapshots']:,} snapshots, "
        f"{percent(population['base_rate'])}"
    )
    rows = [("", "snapshots", "convert", "share")]
    rows += [
        (entry["period"], f"{entry['snapshots']:,}", f"{entry['positives']:,}", percent(entry["rate"]))
        for entry in result["base_rate"]
    ]
    lines += columns(rows)
    holdout = result["holdout"]
    since, until = (local_moment(holdout[end], result["timezone"]) for end in ("from", "until"))
    lines.append(f"Held out: {holdout['n']:,} snapshots from {since} until {until}")
    lines += [*_leaks(result["leaks"]), say_proof(result["proof"])]
    if result["left_out"]:
        lines.append("Left out")
        lines += [f"  {entry['column']}: {entry['reason']}" for entry in result["left_out"]]
    lines.append(f"Features: {result['features']:,}")
    lines += [f"Note: {caution}" for caution in result["cautions"]]
    enough = result["enough"]
    lines.append(
        f"Enough data: {'yes' if enough['enough'] else 'no'}; {enough['positives_to_learn_from']:,} conversions to "
        f"learn from (at least {enough['needed']:,} needed) and {enough['positives_to_judge_on']:,} to judge on"
    )
    return "\n".join(lines)


def words_of_table(result: dict[str, Any]) -> str:
    """What ``mqlml table`` prints."""
    return (
        f"{result['out']}: {result['rows']:,} snapshots, {result['positives']:,} of them convert, "
        f"{result['features']:,} features"
        + (f", made in {result['parts']:,} parts" if result["parts"] > 1 else "")
    )


def words_of_score(result: dict[str, Any]) -> str:
    """What ``mqlml score`` prints."""
    labels = ", ".join(f"{n:,} {name}" for name, n in result["labels"].items())
    moment = local_moment(result["as_of"], result["timezone"])
    lines = [f"{result['out']}: {result['leads']:,} open leads as of {moment}: {labels or 'none'}"]
    if result["older_than_learned"]:
        lines.append(
            f"Note: {result['older_than_learned']:,} of them are over a week older than any age this version learned "
            "from; narrow problem.age_limits, or learn from older ages too (problem.snapshots)"
        )
    return "\n".join(lines)


def words_of_report(result: dict[str, Any]) -> str:
    """What ``mqlml report`` prints."""
    return f"{result['out']}: {result['model']} version {result['version']}"


def words_of_demo(result: dict[str, Any]) -> str:
    """The five lines that ``mqlml demo`` ends with."""
    auc = result["roc_auc"]
    labels = ", ".join(f"{n:,} {name}" for name, n in result["labels"].items())
    return "\n".join(
        [
            f"Journeys  {result['leads']:,} simulated leads and {result['events']:,} events in {result['data']}",
            f"Model     {result['model']} version {result['version']}, ROC AUC {auc['value']:.2f} "
            f"({auc['low']:.2f} to {auc['high']:.2f}) on the held-out last period, kept in {result['store']}",
            f"Scores    {labels} in {result['scores']}",
            f"Report    {result['report']} (open it in a browser)",
            f"Next      look at {result['config']}, put your own files in, and run mqlml check --config FILE",
        ]
    )
