"""Whether a version can be trusted: a verdict, and the answers it rests on.

Each answer depends on the data: what is no better than a guess, or was not measured, is told as plainly as what went
well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from mqlml.evaluation import Baseline, CalibrationBand, CalibrationSummary, Metrics, TrainingResult, worst_of
from mqlml.evaluation.accounts import AccountCalibration
from mqlml.render.report.text import format_date, has_interval, mark, mark_percent, period_zone, value_of
from mqlml.texts import format_label, format_number, format_percent, is_known, join_texts, pluralize
from mqlml.times import parse_instant

__all__ = ["Check", "Verdict", "is_old", "verdict"]

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
    return metrics.roc_auc.low > 0.5


def _ranking(metrics: Metrics) -> Check:
    question = "Does it put the likely leads first?"
    auc = metrics.roc_auc
    value = value_of(auc)
    if value is None:
        return Check("unknown", question, Markup("This was not measured."))
    says = Markup(
        "Of one lead that converted and one that did not, it ranks the right one higher {} of the time{}. "
        "A coin flip would get {}."
    )
    interval = (
        Markup(" (between {} and {})").format(
            mark(auc.low, format_percent(auc.low)), mark(auc.high, format_percent(auc.high))
        )
        if has_interval(auc)
        else ""
    )
    answer = says.format(mark_percent(value), interval, format_percent(0.5))
    if not is_known(auc.low):
        return Check("care", question, answer)
    if not _ranks(metrics):
        return Check("bad", question, answer + Markup(" That is not clearly better than the coin flip."))
    return Check("good", question, answer)


def _probabilities(metrics: Metrics) -> Check:
    question = "Are its probabilities better than one rate for everyone?"
    brier, base = metrics.brier.value, metrics.brier_base_rate
    if not (is_known(brier) and is_known(base)):
        return Check("unknown", question, Markup("This was not measured."))
    figures = Markup("error {} against {}").format(mark(brier, f"{brier:.4f}"), mark(base, f"{base:.4f}"))
    if brier < base:
        gain = 1 - brier / base
        text = Markup(
            "Yes. Its error (the Brier score) is {} lower than if every lead were given the rate known at training "
            "({})."
        )
        return Check("good", question, text.format(format_percent(gain), figures))
    text = Markup("No. Giving every lead the rate known at training would have been {} ({}).")
    answer = text.format("better" if brier > base else "just as good", figures)
    if _ranks(metrics):
        answer += Markup(" Use the ranking of the leads, not the probabilities.")
    return Check("bad", question, answer)


def _place(band: CalibrationBand) -> Literal["within", "more", "fewer"] | None:
    """Whether what was predicted lies within the observed interval, or more, or fewer converted."""
    observed = band.observed
    if not (has_interval(observed) and is_known(band.mean_predicted)):
        return None
    if observed.low <= band.mean_predicted <= observed.high:
        return "within"
    return "more" if observed.low > band.mean_predicted else "fewer"


def _whole(bands: tuple[CalibrationBand, ...]) -> tuple[float, float] | None:
    """The average predicted and the share that converted over all bands of the calibration table."""
    known = [
        band
        for band in bands
        if is_known(band.mean_predicted) and is_known(band.observed.value) and band.n > 0
    ]
    n = sum(band.n for band in known)
    if not n:
        return None
    predicted = sum(band.mean_predicted * band.n for band in known) / n
    return predicted, sum(band.observed.value * band.n for band in known) / n


def _calibration(calibration: CalibrationSummary, accounts: AccountCalibration | None) -> Check:
    question = "Are its percentages right?"
    places = [place for band in calibration.bands if (place := _place(band)) is not None]
    whole = _whole(calibration.bands)
    if not places or whole is None:
        return Check("unknown", question, Markup("This was not measured."))
    fits, more, fewer = (places.count(place) for place in ("within", "more", "fewer"))
    groups = (
        f"{fits} of {len(places)} groups"
        if fits < len(places)
        else f"all {len(places)} groups"
        if fits > 1
        else "the one group"
    )
    parts = [
        f"In {groups} the actual share matches the forecast"
        if fits
        else f"In none of the {len(places)} groups does the actual share match the forecast"
    ]
    if more:
        parts.append(f"in {more}, more leads converted than forecast")
    if fewer:
        parts.append(f"in {fewer}, fewer" if more else f"in {fewer}, fewer leads converted than forecast")
    answer = Markup("{}. Overall, {} were forecast to convert and {} did.").format(
        "; ".join(parts), format_percent(whole[0]), format_percent(whole[1])
    )
    state: State = "good" if fits >= 0.7 * len(places) else "care" if fits >= 0.4 * len(places) else "bad"
    if calibration.drift:
        answer += Markup(
            " We cannot say that they will stay accurate: the share of leads that converted changed from one past "
            "period to the next by more than chance explains."
        )
        state = "care" if state == "good" else state
    return Check(state, question, answer + _accounts(accounts))


def _accounts(accounts: AccountCalibration | None) -> Markup:
    """How the forecasts of accounts held; nothing without accounts."""
    if accounts is None or not accounts.all.accounts:
        return Markup("")
    found = accounts.all
    return Markup(" Counted by account, {} of {} were forecast to convert, and {} did.").format(
        mark(found.predicted, f"{found.predicted:,.0f}"), f"{found.accounts:,}", f"{found.converted:,}"
    )


_BASELINES = {
    "base_rate": "giving everyone the base rate",
    "points": "a points rule",
    "logistic": "logistic regression",
}


def _simpler(baselines: Mapping[str, Baseline]) -> Check:
    """By the paired difference of the log loss, lead by lead, as the gate and the console answer it."""
    question = "Does it beat simpler methods?"
    worst = worst_of(baseline.verdict for baseline in baselines.values())
    if worst is None:
        return Check("unknown", question, Markup("No simpler method was measured for comparison."))
    answer = Markup("")
    spoken = {
        verdict: join_texts(
            [_BASELINES.get(name, name) for name, found in baselines.items() if found.verdict == verdict]
        )
        for verdict in ("worse", "not_clearly_better")
    }
    if worst == "better":
        answer += Markup(
            "Yes. Lead by lead, its error is lower than that of {}, by more than chance explains."
        ).format(join_texts([_BASELINES.get(name, name) for name in baselines]))
        return Check("good", question, answer)
    if spoken["worse"]:
        answer += Markup("No. The error of {} is lower, by more than chance explains.").format(
            spoken["worse"]
        )
    if spoken["not_clearly_better"]:
        answer += Markup("{}Its advantage over {} may be luck.").format(
            " " if spoken["worse"] else "", spoken["not_clearly_better"]
        )
    return Check("care", question, answer)


def _delivery(result: TrainingResult) -> tuple[Check, ...]:
    """Whether each label brought on the test period what was asked of it; nothing where nothing was asked."""
    asked = {} if result.by_lead is None else {name: one.asked for name, one in result.by_lead.labels.items()}
    states: list[State] = []
    answers = []
    for name, wanted in reversed(asked.items()):
        label = result.labels.get(name)
        if label is None or wanted is None:
            continue
        measured = {"precision": label.precision, "recall": label.recall, "per_week": label.per_week}[
            wanted.what
        ]
        if measured is None or not has_interval(measured):
            continue
        if wanted.what == "per_week":
            missed = measured.low > wanted.value
            text, found = (
                f"at most {wanted.value:,g} leads a week",
                mark(measured.value, format_number(measured.value, 1)),
            )
            ends = f"{format_number(measured.low, 1)} to {format_number(measured.high, 1)}"
        else:
            missed = measured.high < wanted.value
            what = "of leads to convert" if wanted.what == "precision" else "of conversions caught"
            text, found = f"at least {format_percent(wanted.value)} {what}", mark_percent(measured.value)
            ends = f"{format_percent(measured.low)} to {format_percent(measured.high)}"
        states.append("care" if missed else "good")
        answers.append(
            Markup("{}: you asked for {}; the test period delivered {} ({}){}.").format(
                format_label(name),
                text,
                found,
                ends,
                ", which chance alone does not explain" if missed else "",
            )
        )
    if not answers:
        return ()
    state: State = "care" if "care" in states else "good"
    return (Check(state, "Do the labels deliver what you asked for?", Markup(" ").join(answers)),)


_OLD = 90
"""Days after which data counts as old."""


def _days_behind(result: TrainingResult) -> int:
    """Days from the end of the data to the making of the version."""
    until = result.data.observed_until
    return (parse_instant(result.created, "UTC") - parse_instant(until, "UTC")).days if until else 0


def is_old(result: TrainingResult) -> bool:
    """Whether the data ended long before the version was made."""
    return _days_behind(result) > _OLD


def _age(result: TrainingResult) -> tuple[Check, ...]:
    """A caution where the data is old."""
    if not is_old(result):
        return ()
    answer = Markup(
        "The data ends on {}, {} before this version was trained. Export newer data and train again."
    )
    until = format_date(result.data.observed_until or "", period_zone(result))
    months = round(_days_behind(result) / 30.4)
    ago = pluralize(months, "month") if months < 24 else pluralize(round(months / 12), "year")
    return (Check("care", "Is it up to date?", answer.format(until, ago)),)


def verdict(result: TrainingResult) -> Verdict:
    """Whether the version can be trusted. A refused gate outweighs every check; a warning is never passed over."""
    checks = (
        _ranking(result.holdout),
        _probabilities(result.holdout),
        _calibration(result.calibration, result.accounts),
        _simpler(result.baselines),
        *_delivery(result),
        *_age(result),
    )
    states = [check.state for check in checks]
    if not result.gate.passed:
        return Verdict(
            "bad", "No", "It did not pass the checks that every version must pass before it is used.", checks
        )
    if all(check.state == "unknown" for check in checks[:4]):
        return Verdict("unknown", "Not known yet", "Nothing was measured on new leads.", checks)
    if checks[0].state == "bad":
        return Verdict(
            "bad",
            "Not shown",
            "It has not shown that it can tell good leads from bad ones when they are new.",
            checks,
        )
    if "bad" in states:
        return Verdict("care", "Only in part", "Some of what it says did not hold up on new leads.", checks)
    if "care" in states or result.gate.warnings:
        return Verdict("care", "Yes, with care", "It works on new leads. Read these cautions first.", checks)
    if "unknown" in states:
        return Verdict(
            "care",
            "So far",
            "Everything that was measured on new leads is good, but not everything was measured.",
            checks,
        )
    return Verdict("good", "Yes", "It did what it says on new leads that it had not seen.", checks)
