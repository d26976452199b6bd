"""What people read at the command line: a result's dict goes in, a few plain lines come out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mqlml.timeutil import format_instant, parse_instant

__all__ = [
    "say_proof",
    "words_of_backtest",
    "words_of_check",
    "words_of_demo",
    "words_of_explain",
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
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}")


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.995 else f"{share:.0%}"


def _moment(text: str, zone: str) -> str:
    """A result's instant, which is in UTC, as clocks in the config's zone show it; a place in an order as it is."""
    return format_instant(parse_instant(text, "UTC"), zone) if _DATED.match(text) else text


def _day(text: str, zone: str) -> str:
    """The date of a result's instant in the config's zone; a place in an order as it is."""
    moment = _moment(text, zone)
    return moment[:10] if _DATED.match(moment) else moment


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows of text as aligned lines; the first column to the left, the others to the right."""
    rows = list(rows)
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))] if rows else []
    return [
        "  "
        + "  ".join(
            text.ljust(width) if at == 0 else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _leaks(leaks: list[dict[str, Any]]) -> list[str]:
    if not leaks:
        return []
    counts = [(sum(leak["action"] == action for leak in leaks), action) for action in _LEAK_ACTIONS]
    found = ", ".join(f"{n:,} {action}" for n, action in counts if n)
    lines = [f"Warning: some of it seems to be written with the outcome or after it: {found}"]
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
    return _columns(rows)


def words_of_check(result: dict[str, Any]) -> str:
    """What ``mqlml check`` prints."""
    lines = ["Read"]
    lines += _columns(
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
        lines.append(f"Outcomes are complete until {_moment(result['observed_until'], result['timezone'])}")
    lines.append(f"Converts: {population['positives']:,} of them, {_percent(population['base_rate'])}")
    rows = [("", "snapshots", "convert", "share")]
    rows += [
        (entry["period"], f"{entry['snapshots']:,}", f"{entry['positives']:,}", _percent(entry["rate"]))
        for entry in result["base_rate"]
    ]
    lines += _columns(rows)
    holdout = result["holdout"]
    since, until = (_moment(holdout[end], result["timezone"]) for end in ("from", "until"))
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
        *_waterfall(result["population"]),
        *_leaks(result["leaks"]),
        say_proof(result["proof"]),
    ]
    since, until = (_moment(holdout[end], result["timezone"]) for end in ("from", "until"))
    lines.append(
        f"Judged on the last period, {since} until {until}: {holdout['n']:,} snapshots, "
        f"{holdout['positives']:,} convert ({_percent(holdout['positives'] / holdout['n'])})"
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
    lines += _columns(rows)
    lines.append("Beside it, on the same leads")
    rows = [("", "ROC AUC", "log loss", "Brier score", "mqlml's log loss minus this, 95 % interval")]
    rows += [
        (
            name.replace("_", " "),
            f"{metrics['roc_auc']['value']:.3f}",
            f"{metrics['log_loss']['value']:.4f}",
            f"{metrics['brier']['value']:.4f}",
            _range(metrics.get("log_loss_difference"), 4, sign="+") if name != "mqlml" else "",
        )
        for name, metrics in [("mqlml", holdout), *result["baselines"].items()]
    ]
    lines += _columns(rows)
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
        text += f": {_percent(label['precision'])} of them convert, {_percent(label['recall'])} of all conversions"
    if label["per_week"] is not None:
        text += f", {label['per_week']:.1f} leads a week"
    if f"{label['judged_at']:.3f}" != f"{label['threshold']:.3f}":
        text += f" (measured at {label['judged_at']:.3f}, before the last period was learned from)"
    promised = [
        f"{_percent(promise['low'])} to {_percent(promise['high'])} convert"
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
        text += f", {_percent(found['precision'])} of them convert; {found['raised']:,} were lower without it"
    return text


def words_of_backtest(result: dict[str, Any]) -> str:
    """What ``mqlml backtest`` prints."""
    periods, zone = result["periods"], result["timezone"]
    lines = ["Each period, judged by a model that learned from what was known when it began"]
    rows: list[tuple[str, ...]] = [
        ("from", "learned from", "convert", "base rate known", "judged", "convert")
    ]
    rows += [
        (
            _day(period["from"], zone),
            f"{period['learned_from']['n']:,}",
            f"{period['learned_from']['positives']:,}",
            _percent(period["base_rate_known"]),
            f"{period['n']:,}",
            f"{period['positives']:,}",
        )
        for period in periods
    ]
    lines += _columns(rows)
    lines.append("How good it was, with 95 % intervals (log loss and Brier score: less is better)")
    rows = [("from", "ROC AUC", "log loss", "base rate's", "Brier score", "base rate's")]
    judged = [*((_day(period["from"], zone), period) for period in periods), ("all", result["together"])]
    rows += [
        (
            name,
            _range(period["roc_auc"]),
            _range(period["log_loss"], 4),
            _value(period["log_loss_base_rate"]),
            _range(period["brier"], 4),
            _value(period["brier_base_rate"]),
        )
        for name, period in judged
    ]
    lines += _columns(rows)
    lines.append("Whether its promises came true, with 95 % intervals")
    rows = [("from", "promised", "came", "promised too much", "calibration error")]
    rows += [
        (
            name,
            _percent(period["promised"]),
            _percent(period["rate"]),
            _range(period["promised_too_much"], sign="+"),
            _range(period["ece"]),
        )
        for name, period in judged
    ]
    lines += _columns(rows)
    ageing = result["ageing"]
    if ageing is not None:
        lines.append("What not retraining costs: older models beside fresh ones, on the same leads")
        rows = [("older by", "days since training", "looks", "log loss", "fresh", "added", "of the skill")]
        skill = ageing["skill"]["value"]
        rows += [
            (
                f"{step['older']:.0f} days",
                f"{step['since_training']:.0f}",
                f"{step['n']:,}",
                f"{step['log_loss']:.4f}",
                f"{step['fresh']:.4f}",
                _range(step["added"], 4, sign="+"),
                f"{step['added']['value'] / skill:.0%}" if skill > 0 else "-",
            )
            for step in ageing["steps"]
        ]
        lines += _columns(rows)
        lines.append(
            f"  skill (log loss of the base rate less that of fresh models): {_range(ageing['skill'], 4)}"
        )
        if ageing["per_30_days"] is not None:
            lines.append(
                f"  log loss added by 30 days, all ages together: {_range(ageing['per_30_days'], 4, sign='+')}"
            )
    lines.append(result["advice"])
    held = result["held_out"]
    since, until = (_day(held[end], zone) for end in ("from", "until"))
    lines.append(f"The held-out period, {since} until {until}, was not opened")
    return "\n".join(lines)


def _value(estimate: dict[str, float] | None) -> str:
    return "-" if estimate is None else f"{estimate['value']:.4f}"


def _range(estimate: dict[str, float] | None, digits: int = 3, *, sign: str = "") -> str:
    """``0.701 (0.650 to 0.752)``, or a dash for what could not be measured."""
    if estimate is None:
        return "-"
    form = f"{sign}.{digits}f"
    if estimate["low"] is None:
        return f"{estimate['value']:{form}}"
    return f"{estimate['value']:{form}} ({estimate['low']:{form}} to {estimate['high']:{form}})"


def words_of_score(result: dict[str, Any]) -> str:
    """What ``mqlml score`` prints."""
    labels = ", ".join(f"{n:,} {name}" for name, n in result["labels"].items())
    moment = _moment(result["as_of"], result["timezone"])
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


_SHOWN_REASONS = 3
_SHOWN_CHANGES = 5
_SHOWN_DAYS = 10


def words_of_explain(result: dict[str, Any]) -> str:
    """What ``mqlml explain`` prints."""
    zone = result["timezone"]
    lines = [
        f"Lead {result['lead_id']} on {_moment(result['as_of'], zone)}: converts with a probability of "
        f"{_percent(result['probability'])}, score {result['score']:g}",
        f"{result['label'].upper()}: {result['label_reason']}",
    ]
    for title, sign in (("Speaks for it", 1), ("Speaks against it", -1)):
        reasons = [reason for reason in result["reasons"] if reason["points"] * sign > 0]
        lines += [
            title,
            *(_adds(reason["points"], reason["sentence"]) for reason in reasons[:_SHOWN_REASONS]),
        ]
        lines += [] if reasons else ["  nothing"]
    lines += [f"Fit and engagement: {_placement(result['fit'], result['engagement'])}"]
    lines += _columns(
        (name, _points(points), said)
        for name, points, said in [
            ("fit (profile)", result["fit"]["points"], _rank(result["fit"])),
            ("engagement (channel, actions)", result["engagement"]["points"], _rank(result["engagement"])),
            ("drag (undesirables)", result["points"]["undesirables"], ""),
            ("where every lead starts", result["base"], ""),
            ("log-odds", result["log_odds"], ""),
        ]
    )
    lines += _changes(result)
    if result["created_at"] is not None:
        lines += _timeline(result)
    return "\n".join([*lines, f"By {result['model']} version {result['version']}"])


def _points(points: float) -> str:
    return f"{points:+.2f}".replace("-", "−")


def _adds(points: float, said: str) -> str:
    return f"  {_points(points)}  {said}"


def _rank(placement: dict[str, float]) -> str:
    return f"above {placement['percentile']:.0f} % of the open leads"


def _placement(fit: dict[str, float], engagement: dict[str, float]) -> str:
    high, low = "the better half of the open leads", "the lesser half"
    halves = [high if part["percentile"] >= 50 else low for part in (fit, engagement)]
    if halves[0] == halves[1]:
        return f"both in {halves[0]}"
    return f"fit in {halves[0]}, engagement in {halves[1]}"


def _changes(result: dict[str, Any]) -> list[str]:
    if result["since"] is None:
        return []
    changes = result["changes"]
    since = _moment(result["since"], result["timezone"])
    moved = sum(change["points"] for change in changes)
    lines = [
        f"Since {since}: from {_percent(result['probability_before'])} to {_percent(result['probability'])}, "
        f"{_points(moved)} in log-odds"
    ]
    for change in changes[:_SHOWN_CHANGES]:
        same = change["before"] == change["now"]
        before = "as before; the rest has changed around it" if same else f"before: {change['before']}"
        lines.append(_adds(change["points"], f"{change['now']} ({before})"))
    rest = changes[_SHOWN_CHANGES:]
    if rest:
        lines.append(_adds(sum(change["points"] for change in rest), f"{len(rest)} smaller changes together"))
    return lines


def _timeline(result: dict[str, Any]) -> list[str]:
    lines = ["What happened, the latest first"]
    for act in result["timeline"][:_SHOWN_DAYS]:
        times = f" × {act['times']}" if act["times"] > 1 else ""
        channel = f" ({act['channel']})" if act["channel"] else ""
        lines.append(f"  {act['day']}  {act['action']}{times}{channel}")
    rest = sum(act["times"] for act in result["timeline"][_SHOWN_DAYS:])
    if rest:
        lines.append(f"  … and {rest:,} acts before")
    created = _moment(result["created_at"], result["timezone"])
    return [*lines, f"  {created}  the lead is created"]
