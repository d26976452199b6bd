"""What the numbers allow us to say: a `ReportData` goes in, plain sentences that hold for it come out.

Every statement here depends on the data. What was refused, is no better than a guess, or was not measured is said
as plainly as what went well. Numbers inside a sentence stand in ``<data value="…">`` with their exact value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from mqlml.report.data import CalibrationRow, Effect, Measured, Metrics, ReportData
from mqlml.report.words import count, date, finite, label_name, out_of, percent, times

__all__ = [
    "Check",
    "Headline",
    "Verdict",
    "caught_by_label",
    "caught_by_top",
    "effect_kind",
    "headline",
    "mark",
    "unit",
    "verdict",
    "whole_drift",
]

State = Literal["good", "care", "bad", "unknown"]


@dataclass(frozen=True)
class Headline:
    """The first sentence, what it rests on, and, where it counts leads, how many of ``total``.

    ``picked`` is what ``called`` leads do, ``random`` what leads picked at random do.
    """

    sentence: Markup
    rests_on: Markup
    called: str = ""
    picked: int = 0
    random: int = 0
    total: int = 0


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


def mark(value: float | None, text: str) -> Markup:
    """``text`` as it is shown, with the exact value behind it."""
    if value is None or not finite(value):
        return Markup("{}").format(text)
    return Markup('<data value="{}">{}</data>').format(
        repr(value) if isinstance(value, int) else repr(float(value)), text
    )


def _share(value: float | None) -> Markup:
    return mark(value, percent(value))


def unit(data: ReportData) -> str:
    """What one row is: a lead, or one look at a lead."""
    return "looks at leads" if data.question.repeated else "leads"


def _value(measured: Measured | None) -> float | None:
    return measured.value if measured is not None and finite(measured.value) else None


def _between(measured: Measured) -> bool:
    return finite(measured.low) and finite(measured.high)


def effect_kind(effect: Effect) -> Literal["helps", "hurts", "none", "unknown"]:
    """Whether the interval of an effect is clear of zero; without an interval nothing is claimed."""
    if not finite(effect.drop):
        return "unknown"
    if (
        effect.low is None
        or effect.high is None
        or not _between(Measured(effect.drop, effect.low, effect.high))
    ):
        return "unknown"
    if effect.low > 0:
        return "helps"
    return "hurts" if effect.high < 0 else "none"


def _about(rate: float, total: int) -> str:
    expected = rate * total
    if expected == 0:
        return "none"
    return f"about {count(expected)}" if expected >= 0.5 else "fewer than one"


def headline(data: ReportData) -> Headline:
    """The page's first sentence: what a lead that mqlml picks out is worth, or why it should not be used."""
    held = data.holdout
    rests_on = Markup("No held-out period was measured.")
    if held is not None:
        rests_on = Markup(
            "Measured on {} {} from {} to {}, a period the model had not seen; {} of them converted."
        ).format(
            mark(held.n, count(held.n)),
            unit(data),
            date(held.start),
            date(held.until),
            mark(held.positives, count(held.positives)),
        )
    if data.gate is not None and not data.gate.passed:
        return Headline(Markup("This version was refused: please do not use it to label leads."), rests_on)

    base = held.base_rate if held is not None else None
    top = data.labels[-1] if data.labels else None
    measured = top.precision if top is not None else None
    if top is not None:
        called = f"open leads that mqlml calls {label_name(top.name)}"
        short = f"called {label_name(top.name)}"
    else:
        called, short = "leads in the tenth that mqlml ranks highest", "ranked highest"
        measured = Measured(data.deciles[0].rate) if data.deciles else None
    rate = _value(measured)
    if measured is None or rate is None or base is None or not math.isfinite(base):
        if top is not None and base is not None:
            said = (
                f"No lead in the held-out period reached the {label_name(top.name)} threshold, "
                "so what that label is worth is not known yet."
            )
        else:
            said = "This version was not measured on later leads, so how well it works is not known yet."
        return Headline(Markup("{}").format(said), rests_on)

    total = out_of(rate, base)
    sentence = Markup("Out of {} {}, {} will {}; picked at random it would be {}{}.").format(
        count(total),
        called,
        mark(rate, _about(rate, total)),
        data.question.converts,
        mark(base, _about(base, total).removeprefix("about ")),
        ", so the label has not shown that it helps"
        if finite(measured.low) and (measured.low or 0) <= base and top
        else "",
    )
    if _between(measured):
        rests_on += Markup(" With {} confidence the true share lies between {} and {}.").format(
            percent(data.confidence), _share(measured.low), _share(measured.high)
        )
    return Headline(sentence, rests_on, short, round(rate * total), round(base * total), total)


def _ranks(metrics: Metrics) -> bool:
    """Whether the interval of the ROC AUC is clear of a coin's."""
    low = metrics.roc_auc.low if metrics.roc_auc is not None else None
    return low is not None and finite(low) and low > 0.5


def _ranking(metrics: Metrics) -> Check:
    question = "Does it put the likely leads first?"
    auc = metrics.roc_auc
    value = _value(auc)
    if auc is None or value is None:
        return Check("unknown", question, Markup("This was not measured."))
    says = Markup(
        "Take one lead that converted and one that did not: it ranks the right one higher {} of the time{}. "
        "A coin would manage {}."
    )
    interval = (
        Markup(" (between {} and {})").format(
            mark(auc.low, percent(auc.low)), mark(auc.high, percent(auc.high))
        )
        if _between(auc)
        else ""
    )
    answer = says.format(_share(value), interval, percent(0.5))
    if not finite(auc.low):
        return Check("care", question, answer)
    if not _ranks(metrics):
        return Check("bad", question, answer + Markup(" It cannot be told apart from the coin."))
    return Check("good", question, answer)


def _probabilities(metrics: Metrics) -> Check:
    question = "Are its probabilities better than one rate for all?"
    brier, base = _value(metrics.brier), _value(metrics.brier_base_rate)
    if brier is None or base is None:
        return Check("unknown", question, Markup("This was not measured."))
    figures = Markup("error {} against {}").format(mark(brier, f"{brier:.4f}"), mark(base, f"{base:.4f}"))
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


def whole_drift(data: ReportData) -> tuple[float, float] | None:
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
    drift = whole_drift(data)
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
    return Check(state, question, answer)


_BASELINES = {"points": "a points rule", "logistic": "logistic regression"}


def _simpler(data: ReportData, metrics: Metrics) -> Check:
    question = "Does it beat simpler ways?"
    auc = metrics.roc_auc
    value = _value(auc)
    rivals = [
        (words, rival)
        for name, words in _BASELINES.items()
        if name in data.baselines and (rival := _value(data.baselines[name].roc_auc)) is not None
    ]
    if auc is None or value is None or not rivals:
        return Check("unknown", question, Markup("No simpler way was measured beside it."))
    said = Markup(" and ").join(Markup("{} {}").format(words, _share(rival)) for words, rival in rivals)
    answer = Markup("Pairs in the right order: mqlml {}, {}.").format(_share(value), said)
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


def caught_by_top(data: ReportData, tenths: int) -> Markup | None:
    """What following up the best ``tenths`` of the ranking would have caught."""
    if len(data.deciles) != 10:
        return None
    row = data.deciles[tenths - 1]
    if not finite(row.cumulative_share):
        return None
    name = {1: "the top tenth", 2: "the top fifth", 3: "the top three tenths"}.get(
        tenths, f"the top {tenths} tenths"
    )
    said = Markup("Following up only {} of the ranking would have reached {} of all conversions")
    first = data.deciles[0].lift if tenths == 1 else None
    lift = (
        Markup("; a lead there converts {} as often as the average lead").format(mark(first, times(first)))
        if finite(first)
        else ""
    )
    return said.format(name, _share(row.cumulative_share)) + lift + Markup(".")


def caught_by_label(data: ReportData) -> list[Markup]:
    """How few leads each label names, highest first, and how many of the conversions are among them."""
    said = []
    caught = None
    for label in reversed(data.labels):
        caught = _value(label.recall)
        if caught is None or not finite(label.share):
            continue
        or_better = "" if label is data.labels[-1] else " or better"
        said.append(
            Markup("mqlml calls {} of leads {}{}. Among them are {} of all conversions.").format(
                _share(label.share), label_name(label.name), or_better, _share(caught)
            )
        )
    if said and caught is not None and caught < 1:
        said.append(Markup("The other {} of conversions get no label.").format(percent(1 - caught)))
    return said
