"""Whether a version can be trusted: a `ReportData` goes in, a verdict and the answers it rests on come out.

Each answer depends on the data: what is no better than a guess, or was not measured, is said as plainly as what went
well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from mqlml.report import marked
from mqlml.report.data import CalibrationRow, Metrics, ReportData
from mqlml.report.words import finite, percent

__all__ = ["Check", "Verdict", "verdict"]

State = Literal["good", "care", "bad", "unknown"]


@dataclass(frozen=True)
class Check:
    """One question about trust, its answer, and how that answer should be taken."""

    state: State
    question: str
    answer: Markup


@dataclass(frozen=True)
class Verdict:
    """Whether the version can be trusted: in a word, in a sentence, and question by question."""

    state: State
    title: str
    sentence: str
    checks: tuple[Check, ...]


def _ranks(metrics: Metrics) -> bool:
    """Whether the interval of the ROC AUC is clear of a coin's."""
    low = metrics.roc_auc.low if metrics.roc_auc is not None else None
    return low is not None and finite(low) and low > 0.5


def _ranking(metrics: Metrics) -> Check:
    question = "Does it put the likely leads first?"
    auc = metrics.roc_auc
    value = marked.value_of(auc)
    if auc is None or value is None:
        return Check("unknown", question, Markup("This was not measured."))
    says = Markup(
        "Take one lead that converted and one that did not: it ranks the right one higher {} of the time{}. "
        "A coin would manage {}."
    )
    interval = (
        Markup(" (between {} and {})").format(
            marked.mark(auc.low, percent(auc.low)), marked.mark(auc.high, percent(auc.high))
        )
        if marked.between(auc)
        else ""
    )
    answer = says.format(marked.percent(value), interval, percent(0.5))
    if not finite(auc.low):
        return Check("care", question, answer)
    if not _ranks(metrics):
        return Check("bad", question, answer + Markup(" It cannot be told apart from the coin."))
    return Check("good", question, answer)


def _probabilities(metrics: Metrics) -> Check:
    question = "Are its probabilities better than one rate for all?"
    brier, base = marked.value_of(metrics.brier), marked.value_of(metrics.brier_base_rate)
    if brier is None or base is None:
        return Check("unknown", question, Markup("This was not measured."))
    figures = Markup("error {} against {}").format(
        marked.mark(brier, f"{brier:.4f}"), marked.mark(base, f"{base:.4f}")
    )
    if brier < base:
        gain = 1 - brier / base
        said = Markup(
            "Yes: its error (the Brier score) is {} lower than quoting the rate known at training to everyone ({})."
        )
        return Check("good", question, said.format(percent(gain), figures))
    said = Markup("No: quoting the rate known at training to everyone would have been {} ({}).")
    answer = said.format("better" if brier > base else "just as good", figures)
    if _ranks(metrics):
        answer += Markup(" Use the order of the leads, not the probabilities.")
    return Check("bad", question, answer)


def _kept(row: CalibrationRow) -> Literal["kept", "more", "fewer"] | None:
    if row.low is None or row.high is None or row.mean_predicted is None:
        return None
    if not (finite(row.low) and finite(row.high) and finite(row.mean_predicted)):
        return None
    if row.low <= row.mean_predicted <= row.high:
        return "kept"
    return "more" if row.low > row.mean_predicted else "fewer"


def _whole(data: ReportData) -> tuple[float, float] | None:
    """The average promised and the share that converted over all groups of the calibration table."""
    rows = [
        row for row in data.calibration if finite(row.mean_predicted) and finite(row.observed) and row.n > 0
    ]
    n = sum(row.n for row in rows)
    if not n:
        return None
    promised = sum((row.mean_predicted or 0.0) * row.n for row in rows) / n
    return promised, sum((row.observed or 0.0) * row.n for row in rows) / n


def _promises(data: ReportData) -> Check:
    question = "Do its promises come true?"
    kept = [kind for row in data.calibration if (kind := _kept(row)) is not None]
    drift = _whole(data)
    if not kept or drift is None:
        return Check("unknown", question, Markup("This was not measured."))
    fits, more, fewer = (kept.count(kind) for kind in ("kept", "more", "fewer"))
    groups = (
        f"{fits} of {len(kept)} groups"
        if fits < len(kept)
        else f"all {len(kept)} groups"
        if fits > 1
        else "the one group"
    )
    parts = [
        f"In {groups} what happened fits what was promised"
        if fits
        else f"In none of {len(kept)} groups does what happened fit what was promised"
    ]
    if more:
        parts.append(f"in {more}, more leads converted than promised")
    if fewer:
        parts.append(f"in {fewer}, fewer" if more else f"in {fewer}, fewer leads converted than promised")
    answer = Markup("{}. Overall it promised {} and {} converted.").format(
        "; ".join(parts), percent(drift[0]), percent(drift[1])
    )
    state: State = "good" if fits >= 0.7 * len(kept) else "care" if fits >= 0.4 * len(kept) else "bad"
    if data.drifts:
        answer += Markup(
            " Whether they come true for later leads cannot be promised: from one period of the past to the next, "
            "more or fewer leads converted than chance explains."
        )
        state = "care" if state == "good" else state
    return Check(state, question, answer)


_BASELINES = {"points": "a points rule", "logistic": "logistic regression"}


def _simpler(data: ReportData, metrics: Metrics) -> Check:
    question = "Does it beat simpler ways?"
    auc = metrics.roc_auc
    value = marked.value_of(auc)
    rivals = [
        (words, rival)
        for name, words in _BASELINES.items()
        if name in data.baselines and (rival := marked.value_of(data.baselines[name].roc_auc)) is not None
    ]
    if auc is None or value is None or not rivals:
        return Check("unknown", question, Markup("No simpler way was measured beside it."))
    said = Markup(" and ").join(
        Markup("{} {}").format(words, marked.percent(rival)) for words, rival in rivals
    )
    answer = Markup("Pairs in the right order: mqlml {}, {}.").format(marked.percent(value), said)
    best_words, best = max(rivals, key=lambda pair: pair[1])
    if value <= best:
        return Check(
            "care",
            question,
            answer + Markup(" No: {} does {}.").format(best_words, "better" if value < best else "as well"),
        )
    if auc.low is None or not finite(auc.low):
        return Check("care", question, answer)
    if auc.low <= best:
        said = Markup(" Its interval takes in the figure of {}, so the lead may be chance.").format(
            best_words
        )
        return Check("care", question, answer + said)
    return Check(
        "good",
        question,
        answer + Markup(" Its whole interval lies above the figure of {}.").format(best_words),
    )


def verdict(data: ReportData) -> Verdict:
    """Whether the version can be trusted. A refused gate outweighs every check; a warning is never passed over."""
    metrics = data.metrics or Metrics()
    checks = (_ranking(metrics), _probabilities(metrics), _promises(data), _simpler(data, metrics))
    states = [check.state for check in checks]
    if data.gate is not None and not data.gate.passed:
        return Verdict(
            "bad", "No", "It did not pass the checks that every version must pass before it is used.", checks
        )
    if states.count("unknown") == len(states):
        return Verdict("unknown", "Not known yet", "Nothing was measured on later leads.", checks)
    if checks[0].state == "bad":
        return Verdict(
            "bad", "Not shown", "On later leads it has not shown that it can tell them apart.", checks
        )
    if "bad" in states:
        return Verdict("care", "Only in part", "Not everything that it says held on later leads.", checks)
    if "care" in states or (data.gate is not None and data.gate.warnings):
        return Verdict("care", "Yes, with care", "It helps on later leads; mind the points below.", checks)
    if "unknown" in states:
        return Verdict(
            "care", "So far", "What was measured on later leads is good; not everything was.", checks
        )
    return Verdict("good", "Yes", "On later leads, which it had not seen, it did what it says.", checks)
