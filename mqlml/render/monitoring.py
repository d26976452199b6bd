"""The sentences about a monitored version that the console and the report share."""

from __future__ import annotations

from mqlml.monitoring import MonitorResult, Reason, Verdict
from mqlml.monitoring.verdict import ReasonKind
from mqlml.texts import format_number, format_percent, is_known

__all__ = ["describe_reason", "describe_verdict", "format_evidence", "sentence_of"]

_VERDICTS: dict[Verdict, tuple[str, str]] = {
    "fine": ("Fine", "Nothing speaks against using this version."),
    "recalibrate": (
        "Recalibrate",
        "It still ranks leads as it should, but its percentages are off. Run mqlml recalibrate.",
    ),
    "retrain": ("Retrain", "It no longer fits the leads that come in. Run mqlml train on current data."),
    "stop": (
        "Stop",
        "Do not use its scores until the cause is fixed. Retraining on damaged data would not help.",
    ),
}

_REASONS: dict[ReasonKind, str] = {
    "fewer_conversions": "fewer leads convert than predicted",
    "more_conversions": "more leads convert than predicted",
    "weaker_ranking": "likely and unlikely leads differ less than predicted",
    "no_ranking": "likely leads convert no more often than unlikely ones",
    "signal_gone": "hardly any lead has this signal any more",
    "new_category": "many leads have a value that training did not know",
}


def describe_verdict(verdict: Verdict) -> tuple[str, str]:
    """The verdict as a word and as a sentence that says what to do."""
    return _VERDICTS[verdict]


def sentence_of(feature: str | None, result: MonitorResult) -> str:
    """What a feature says to a marketer; columns of events by their name."""
    if feature is None:
        return ""
    return next((one.sentence for one in result.inputs.signals if one.feature == feature), feature)


def describe_reason(reason: Reason, result: MonitorResult) -> str:
    """One reason as a sentence without a full stop."""
    what = _REASONS[reason.kind]
    if reason.feature is None:
        return what[:1].upper() + what[1:]
    signal = next((one for one in result.inputs.signals if one.feature == reason.feature), None)
    text = f"{sentence_of(reason.feature, result)}: {what}"
    if signal is None:
        return text
    if reason.kind == "signal_gone":
        return f"{text} ({format_percent(signal.present)} of leads, {format_percent(signal.present_before)} before)"
    if reason.kind == "new_category" and signal.unknown is not None:
        return f"{text} ({format_percent(signal.unknown)} of leads, {format_percent(signal.unknown_before)} before)"
    return text


def format_evidence(value: float) -> str:
    """Evidence with two digits; huge numbers as such."""
    if not is_known(value):
        return "unknown"
    return "over 1,000,000" if value > 1e6 else format_number(value, 0 if value >= 10 else 2)
