"""What people read at the command line: a result goes in, a few plain lines come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mqlml.evaluation import Estimate
from mqlml.pipeline.lines import columns, local_moment, percent, ranged
from mqlml.pipeline.results import CheckResult, DataNeed, DemoResult, ReportResult, ScoreResult, TableResult
from mqlml.results import from_json_safe
from mqlml.training import Finding, Population, Proof

__all__ = [
    "say_proof",
    "words_of_check",
    "words_of_demo",
    "words_of_report",
    "words_of_score",
    "words_of_table",
    "words_of_train",
]


_KINDS = {"action": "event type", "feature": "feature"}
_LEAK_ACTIONS = ("refused", "forced", "noted")
_FORCED_BY = {
    "column": "a refused column all the same: profile: {force: {COLUMN",
    "action": "a refused event type all the same: features: {force: {EVENT TYPE",
}


def _leaks(leaks: Sequence[Finding]) -> list[str]:
    if not leaks:
        return []
    counts = [(sum(leak.action == action for leak in leaks), action) for action in _LEAK_ACTIONS]
    found = ", ".join(f"{n:,} {action}" for n, action in counts if n)
    lines = [f"Warning: some of the data seems to be written with the outcome or after it: {found}"]
    for leak in leaks:
        kind = "" if leak.kind == "column" else f"{_KINDS[leak.kind]} "
        lines.append(f"  {kind}{leak.column} ({leak.action}, {leak.severity}): {leak.reason}")
    refused = {leak.kind for leak in leaks if leak.action == "refused"}
    for kind in sorted(refused & set(_FORCED_BY), reverse=True):
        lines.append(f"  To keep {_FORCED_BY[kind]}: why it is known at the cutoff}}}}")
    return lines


def say_proof(proof: Proof | None) -> str:
    """What was tried to make the future move a feature, and what came of it."""
    if proof is None:
        return (
            "No proof against leaks: a flat table has no times, so nobody can see when a column was written"
        )
    rows = proof.changed + proof.removed + proof.added
    tried = f"{rows:,} rows at or after {proof.snapshots:,} cutoffs changed, removed or added at random"
    n, moved = proof.features, len(proof.moved)
    return f"Proof: {tried}: " + (
        f"not one of {n:,} features moved" if not moved else f"{moved:,} of {n:,} moved"
    )


def _waterfall(population: Population) -> list[str]:
    rows = [("", "snapshots", "leads")]
    rows += [(step.step, f"{step.snapshots:,}", f"{step.leads:,}") for step in population.waterfall]
    return columns(rows)


def words_of_check(result: CheckResult) -> str:
    """What ``mqlml check`` prints."""
    lines = _read(result)
    population = result.population
    lines += ["Population", *_waterfall(population)]
    if result.observed_until is not None:
        lines.append(f"Outcomes are complete until {local_moment(result.observed_until, result.timezone)}")
    lines.append(
        f"Converts: {population.positives:,} of {population.snapshots:,} snapshots, "
        f"{percent(population.base_rate)}"
    )
    rows = [("", "snapshots", "convert", "share")]
    rows += [
        (period.period, f"{period.snapshots:,}", f"{period.positives:,}", percent(period.rate))
        for period in result.base_rate
    ]
    lines += columns(rows)
    holdout = result.holdout
    since, until = (local_moment(end, result.timezone) for end in (holdout.start, holdout.until))
    lines.append(f"Held out: {holdout.n:,} snapshots from {since} until {until}")
    lines += [*_leaks(result.leaks), say_proof(result.proof)]
    if result.left_out:
        lines.append("Left out")
        lines += [f"  {entry.column}: {entry.reason}" for entry in result.left_out]
    lines.append(f"Features: {result.features:,}")
    lines += [f"Note: {caution}" for caution in result.cautions]
    lines.append(_enough(result.enough))
    return "\n".join(lines)


def _read(result: CheckResult) -> list[str]:
    lines = ["Read"]
    lines += columns(
        (name, f"{table.rows:,} rows", f"{table.quarantined:,} set aside")
        for name, table in result.tables.items()
    )
    for group in result.quarantine:
        column = f".{group.column}" if group.column else ""
        value = "" if group.first_value is None else f": {group.first_value!r}"
        lines.append(
            f"  {group.table}{column}: {group.rows:,} × {group.reason} "
            f"(first in row {group.first_row:,}{value})"
        )
    return lines


def _enough(need: DataNeed) -> str:
    return (
        f"Enough data: {'yes' if need.enough else 'no'}; {need.positives_to_learn_from:,} conversions to "
        f"learn from (at least {need.needed:,} needed) and {need.positives_to_judge_on:,} to judge on"
    )


def words_of_table(result: TableResult) -> str:
    """What ``mqlml table`` prints."""
    return (
        f"{result.out}: {result.rows:,} snapshots, {result.positives:,} of them convert, "
        f"{result.features:,} features" + (f", made in {result.parts:,} parts" if result.parts > 1 else "")
    )


def _with_ends(metrics: dict[str, Any], name: str) -> dict[str, float]:
    """A metric whose interval stands beside it, as one estimate."""
    return {"value": metrics[name], "low": metrics[f"{name}_low"], "high": metrics[f"{name}_high"]}


def _estimate(name: str, estimate: dict[str, float], digits: int = 3) -> tuple[str, str, str]:
    return (
        name,
        f"{estimate['value']:.{digits}f}",
        f"{estimate['low']:.{digits}f} to {estimate['high']:.{digits}f}",
    )


def words_of_train(result: dict[str, Any]) -> str:
    """What ``mqlml train`` prints."""
    holdout = result["holdout"]
    lines = []
    if result["set_aside_in"]:
        tables = ", ".join(result["set_aside_in"])
        lines.append(f"Note: Some rows were set aside ({tables}); mqlml check says which and why.")
    lines += [
        "Population",
        *_waterfall(from_json_safe(Population, result["population"], where="the population")),
        *_leaks([from_json_safe(Finding, leak, where="a finding") for leak in result["leaks"]]),
        say_proof(result["proof"] and from_json_safe(Proof, result["proof"], where="the proof")),
    ]
    since, until = (local_moment(holdout[end], result["timezone"]) for end in ("from", "until"))
    lines.append(
        f"Judged on the last period, {since} until {until}: {holdout['n']:,} snapshots, "
        f"{holdout['positives']:,} convert ({percent(holdout['positives'] / holdout['n'])})"
    )
    rows: list[tuple[str, ...]] = [("", "value", "95 % interval")]
    rows += [
        _estimate("ROC AUC", holdout["roc_auc"]),
        _estimate("average precision", holdout["average_precision"]),
        _estimate("log loss", holdout["log_loss"], 4),
        _estimate("Brier score", holdout["brier"], 4),
        _estimate(
            "Brier score of the base rate known when training",
            result["baselines"]["base_rate"]["brier"],
            4,
        ),
        _estimate("calibration error", _with_ends(holdout, "ece"), 4),
        _estimate("lift of the top tenth", _with_ends(holdout, "lift_top_decile"), 2),
    ]
    lines += columns(rows)
    lines.append("Beside it, on the same leads")
    rows = [("", "ROC AUC", "log loss", "Brier score", "mqlml's log loss minus this, 95 % interval")]
    rows += [
        (
            name.replace("_", " "),
            f"{metrics['roc_auc']['value']:.3f}",
            f"{metrics['log_loss']['value']:.4f}",
            f"{metrics['brier']['value']:.4f}",
            ranged(Estimate(**metrics["log_loss_difference"]), 4, sign="+") if name != "mqlml" else "",
        )
        for name, metrics in [("mqlml", holdout), *result["baselines"].items()]
    ]
    lines += columns(rows)
    if result["labels"]:
        lines.append("Labels")
        lines += [_label(name, label) for name, label in result["labels"].items()]
        lines += [_promoted(found) for found in result["promoted"]]
        lines += [
            f"  Never, {found['reason']}: {found['selected']:,} snapshots, {found['converted']:,} of them convert"
            for found in result["disqualified"]
        ]
    gate = result["gate"]
    lines += [f"Note: {warning}" for warning in gate["warnings"]]
    if not gate["passed"]:
        lines += ["Refused", *(f"  {reason}" for reason in gate["reasons"])]
    elif result["version"] is None:
        lines.append("Passed the gate; nothing was registered (dry run)")
    else:
        alias = f" as {', '.join(result['aliases'])}" if result["aliases"] else ""
        lines.append(f"Registered {result['model']} version {result['version']}{alias}")
    return "\n".join(lines)


def _label(name: str, label: dict[str, Any]) -> str:
    text = f"  {name.upper()} from a probability of {label['threshold']:.3f}"
    if label["precision"] is not None:
        text += (
            f": {percent(label['precision'])} of those above convert, {percent(label['recall'])} of all "
            "conversions are among them"
        )
    if label["per_week"] is not None:
        text += f", {label['per_week']:.1f} leads a week"
    if f"{label['judged_at']:.3f}" != f"{label['threshold']:.3f}":
        text += f" (measured at {label['judged_at']:.3f}, before the last period was learned from)"
    promised = [
        f"{percent(promise['low'])} to {percent(promise['high'])} convert"
        if what == "precision"
        else f"{promise['low']:.1f} to {promise['high']:.1f} leads a week"
        for what, promise in label["promised"].items()
        if what in ("precision", "per_week")
    ]
    if promised:
        missed = [
            kept for what, kept in label["kept"].items() if what in ("precision", "per_week") and not kept
        ]
        verdict = "kept" if not missed else "kept in part" if len(missed) < len(promised) else "not kept"
        text += f"\n    promised for that period, with 90 % confidence: {', '.join(promised)}: {verdict}"
    return text


def _promoted(found: dict[str, Any]) -> str:
    text = f"  At once {found['to'].upper()}, {found['reason']}: {found['selected']:,} snapshots"
    if found["precision"] is not None:
        text += f", {percent(found['precision'])} of them convert; {found['raised']:,} were lower without it"
    return text


def words_of_score(result: ScoreResult) -> str:
    """What ``mqlml score`` prints."""
    labels = ", ".join(f"{n:,} {name}" for name, n in result.labels.items())
    moment = local_moment(result.as_of, result.timezone)
    lines = [f"{result.out}: {result.leads:,} open leads as of {moment}: {labels or 'none'}"]
    if result.older_than_learned:
        lines.append(
            f"Note: {result.older_than_learned:,} of them are over a week older than any age this version learned "
            "from; narrow problem.age_limits, or learn from older ages too (problem.snapshots)"
        )
    return "\n".join(lines)


def words_of_report(result: ReportResult) -> str:
    """What ``mqlml report`` prints."""
    return f"{result.out}: {result.model} version {result.version}"


def words_of_demo(result: DemoResult) -> str:
    """The five lines that ``mqlml demo`` ends with."""
    auc = result.roc_auc
    labels = ", ".join(f"{n:,} {name}" for name, n in result.labels.items())
    return "\n".join(
        [
            f"Journeys  {result.leads:,} simulated leads and {result.events:,} events in {result.data}",
            f"Model     {result.model} version {result.version}, ROC AUC {auc.value:.2f} "
            f"({auc.low:.2f} to {auc.high:.2f}) on the held-out last period, kept in {result.store}",
            f"Scores    {labels} in {result.scores}",
            f"Report    {result.report} (open it in a browser)",
            f"Next      look at {result.config}, put your own files in, and run mqlml check --config FILE",
        ]
    )
