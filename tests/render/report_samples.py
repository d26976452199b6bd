"""Results to render: what a good version, a refused one, a flat table and very little data look like."""

from __future__ import annotations

import dataclasses
import math

from mqlml.evaluation import (
    Asked,
    Baseline,
    ByLead,
    CalibrationBand,
    CalibrationPeriod,
    CalibrationSummary,
    Choice,
    DataSummary,
    Decile,
    Disqualification,
    Estimate,
    FitEngagementCell,
    GateResult,
    HoldoutEvaluation,
    Importance,
    ImportanceRow,
    LabelByLead,
    LabelEvaluation,
    LabelPrediction,
    LearningPoint,
    Metrics,
    OutOfTimeLoss,
    OverTimePeriod,
    Question,
    SetAside,
    ThresholdPoint,
    TrainingResult,
    TriedSettings,
    WithinRange,
    compare_losses,
)
from mqlml.features import Family
from mqlml.journeys.quarantine import TableCount
from mqlml.model.signals import (
    Explanation,
    RawComparison,
    SignalEstimate,
    SignalLevel,
    SignalName,
    SignalReport,
    SignalResult,
)
from mqlml.training import Finding, LeftOut, PerturbationTest, Population, Step

NAN = math.nan


def about(value: float, low: float = NAN, high: float = NAN) -> Estimate:
    """An estimate, without an interval where none is given."""
    return Estimate(value, low, high)


UNKNOWN = about(NAN)


def metrics(
    *,
    n: int = 0,
    positives: int = 0,
    roc_auc: Estimate = UNKNOWN,
    average_precision: Estimate = UNKNOWN,
    log_loss: Estimate = UNKNOWN,
    brier: Estimate = UNKNOWN,
    brier_base_rate: float = NAN,
    ece: Estimate = UNKNOWN,
    lift_top_decile: Estimate = UNKNOWN,
) -> Metrics:
    """Metrics of which the rest was not measured."""
    return Metrics(
        n,
        positives,
        roc_auc,
        roc_auc,
        average_precision,
        log_loss,
        brier,
        brier_base_rate,
        ece,
        lift_top_decile,
    )


def baseline(found: Metrics, difference: Estimate) -> Baseline:
    """A baseline with its verdict; ``difference`` is the model's log loss minus the baseline's."""
    return Baseline(**vars(found), log_loss_difference=difference, verdict=compare_losses(difference))


def holdout(found: Metrics, start: str, until: str, *, accessed: int = 0) -> HoldoutEvaluation:
    return HoldoutEvaluation(
        **vars(found),
        start=start,
        until=until,
        leads=found.n,
        accessed_with_other_settings=accessed,
        accessed_by_versions=(),
        accessed_since=None,
    )


def effect(
    name: str, family: str, sentence: str, drop: float, low: float = NAN, high: float = NAN
) -> ImportanceRow:
    return ImportanceRow(name, family, Estimate(drop, low, high), sentence)


def label(
    threshold: float,
    policy: str,
    selected: int,
    precision: Estimate | None,
    recall: Estimate | None,
    per_week: Estimate | None,
) -> LabelEvaluation:
    """A label of which nothing was predicted."""
    return LabelEvaluation(
        threshold=threshold,
        teams=None,
        selected=selected,
        converted=0,
        precision=precision,
        recall=recall,
        per_week=per_week,
        value=None,
        predicted=LabelPrediction(),
        within_range=WithinRange(),
        evaluated_at=threshold,
        next=LabelPrediction(),
        policy=policy,
        note=None,
    )


def leak(column: str, reason: str, *, kind: str = "column", severity: str = "certain") -> Finding:
    return Finding(column, reason, "refused", severity, (), kind)  # type: ignore[arg-type]


def steps(*given: tuple[str, int]) -> Population:
    left = given[-1][1] if given else 0
    return Population(tuple(Step("snapshots", step, n, n) for step, n in given), left, left // 10, 0.1)


def data_of(rows: dict[str, int], *aside: SetAside, observed_until: str | None = None) -> DataSummary:
    return DataSummary({name: TableCount(n, 0) for name, n in rows.items()}, aside, observed_until)


CHOICE = Choice(
    tree_weight=0.5,
    linear_weight=0.5,
    out_of_time_log_loss=OutOfTimeLoss(0.29, 0.26, 0.25, 0.247),
    in_time=True,
    trials=(TriedSettings({"n_trees": 120, "linear_spread": 0.4}, 0.247, True),),
    stopped=False,
)


def calibration(*bands: CalibrationBand, drift: bool = False) -> CalibrationSummary:
    period = CalibrationPeriod(1_500_000_000_000_000, 1_510_000_000_000_000, 1411, 120.4, 122, 0.2)
    return CalibrationSummary(1.0, -0.01, 0.4, drift, (period,), bands)


_FEATURES = [
    (
        "actions__demo_request__count__30d",
        "actions",
        "Demo requests in the last 30 days",
        0.0512,
        0.0388,
        0.0634,
    ),
    (
        "actions__pricing_page__days_since__all",
        "actions",
        "Days since the last visit to the pricing page",
        0.0391,
        0.0287,
        0.0489,
    ),
    (
        "profile__job_title__seniority",
        "profile",
        "Seniority, read from the job title",
        0.0304,
        0.0201,
        0.0411,
    ),
    ("channel__first_touch", "channel", "Channel of the first touch", 0.0251, 0.0143, 0.0362),
    (
        "profile__mail_domain__free",
        "profile",
        "Whether the email address is a free one",
        0.0190,
        0.0102,
        0.0281,
    ),
    (
        "undesirables__careers_page__count__90d",
        "undesirables",
        "Visits to the careers page in the last 90 days",
        0.0142,
        0.0061,
        0.0220,
    ),
    (
        "actions__all__distinct_days__30d",
        "actions",
        "Different days with any activity in the last 30 days",
        0.0121,
        0.0033,
        0.0213,
    ),
    (
        "actions__webinar_registration_completed_with_follow_up_survey__sum_of_value__90d",
        "actions",
        "Sum of the values of completed webinar registrations with a follow-up survey in the last 90 days",
        0.0094,
        0.0012,
        0.0177,
    ),
    (
        "channel__paid_search__share__all",
        "channel",
        "Share of all touches that came through paid search",
        0.0066,
        0.0004,
        0.0131,
    ),
    ("profile__country", "profile", "Country", 0.0041, -0.0022, 0.0105),
    (
        "actions__ebook_download__count__7d",
        "actions",
        "E-book downloads in the last 7 days",
        0.0021,
        -0.0034,
        0.0077,
    ),
    (
        "undesirables__unsubscribe__days_since__all",
        "undesirables",
        "Days since the last unsubscribe",
        0.0013,
        -0.0009,
        0.0036,
    ),
    (
        "channel__all__count__90d",
        "channel",
        "Different channels in the last 90 days",
        -0.0004,
        -0.0031,
        0.0024,
    ),
    ("profile__company_size__band", "profile", "Company size band", -0.0052, -0.0098, -0.0011),
]


CURVE = (
    LearningPoint(0.25, 2790, 231, Estimate(0.2680, 0.2511, 0.2862), None),
    LearningPoint(0.5, 5604, 470, Estimate(0.2560, 0.2398, 0.2733), Estimate(0.0120, 0.0062, 0.0181)),
    LearningPoint(1.0, 11147, 927, Estimate(0.2496, 0.2337, 0.2664), Estimate(0.0064, 0.0021, 0.0109)),
)


def _features() -> tuple[ImportanceRow, ...]:
    few = [effect(*values) for values in _FEATURES]
    many = [
        effect(
            f"actions__action_{k}__count__{w}d",
            "actions",
            f"Action {k} in the last {w} days",
            0.0006 / k,
            -0.002,
            0.003,
        )
        for k in range(1, 16)
        for w in (7, 30, 90)
    ]
    return (*few, *many)


PERIODS = (
    OverTimePeriod(
        n=1411,
        positives=122,
        log_loss=Estimate(0.2644, 0.2311, 0.2971),
        log_loss_base_rate=Estimate(0.2952, 0.2588, 0.3314),
        gain=Estimate(0.0308, 0.0171, 0.0447),
        start="2017-09-04T05:11:00Z",
        until="2017-11-03T22:40:00Z",
        held_out=False,
    ),
    OverTimePeriod(
        n=1208,
        positives=97,
        log_loss=Estimate(0.2599, 0.2244, 0.2955),
        log_loss_base_rate=Estimate(0.2749, 0.2382, 0.3109),
        gain=Estimate(0.0150, -0.0021, 0.0323),
        start="2017-11-04T00:03:00Z",
        until="2018-01-10T21:59:00Z",
        held_out=False,
    ),
    OverTimePeriod(
        n=2143,
        positives=179,
        log_loss=Estimate(0.2461, 0.2301, 0.2633),
        log_loss_base_rate=Estimate(0.2904, 0.2741, 0.3077),
        gain=Estimate(0.0443, 0.0331, 0.0552),
        start="2018-03-14T00:00:00Z",
        until="2018-05-31T00:00:00Z",
        held_out=True,
    ),
)
"""Two out-of-time periods, of which the first is beyond chance, and the held-out one."""

CELLS = tuple(
    FitEngagementCell(fit, engagement, n, won, predicted, Estimate(won / n, low, high))
    for fit, engagement, n, won, predicted, low, high in (
        (0, 0, 218, 4, 0.0231, 0.0087, 0.0404),
        (0, 1, 143, 6, 0.0412, 0.0254, 0.0793),
        (0, 2, 124, 8, 0.0677, 0.0399, 0.1143),
        (0, 3, 54, 5, 0.0877, 0.0599, 0.1543),
        (1, 0, 154, 6, 0.0419, 0.0223, 0.0780),
        (1, 1, 162, 10, 0.0703, 0.0409, 0.1016),
        (1, 2, 138, 14, 0.1051, 0.0698, 0.1543),
        (1, 3, 98, 12, 0.1251, 0.0898, 0.1943),
        (2, 0, 92, 5, 0.0598, 0.0302, 0.0983),
        (2, 1, 110, 10, 0.0842, 0.0463, 0.1280),
        (2, 2, 162, 22, 0.1342, 0.0963, 0.1980),
        (2, 3, 192, 32, 0.1549, 0.1175, 0.2025),
        (3, 0, 62, 4, 0.0698, 0.0302, 0.1083),
        (3, 1, 80, 8, 0.1042, 0.0563, 0.1580),
        (3, 2, 132, 20, 0.1442, 0.1063, 0.2180),
        (3, 3, 222, 44, 0.1949, 0.1475, 0.2525),
    )
)


def by_lead(
    threshold: float, leads: int, converted: int, precision: Estimate, asked: Asked | None
) -> LabelByLead:
    """A label of `BY_LEAD`."""
    return LabelByLead(
        threshold=threshold,
        leads=leads,
        converted=converted,
        precision=precision,
        recall=Estimate(converted / 100, converted / 100 - 0.1, converted / 100 + 0.1),
        points_converted=converted * 0.75,
        asked=asked,
        same_as=None,
    )


BY_LEAD = ByLead(
    leads=1200,
    converted=100,
    weeks=11.0,
    labels={
        "mql": by_lead(0.094, 300, 60, Estimate(0.2011, 0.1702, 0.2333), Asked("precision", 0.15)),
        "sql": by_lead(0.212, 125, 38, Estimate(0.3094, 0.2561, 0.3622), Asked("per_week", 20.0)),
    },
    curve=tuple(
        ThresholdPoint(
            0.4 - 0.005 * place, 10 * place, place, about(0.1, 0.08, 0.12), about(0.01 * place), NAN
        )
        for place in range(1, 80)
    ),
)


def signal(
    family: Family,
    what: str,
    *,
    rates: tuple[float, float],
    like: tuple[float, float, float],
    leads: int,
    level: str | None = None,
    explained: tuple[Explanation, ...] = (),
) -> SignalResult:
    """A signal of one level, whose raw difference is clear where it is more than three points."""
    raw = rates[0] - rates[1]
    difference = SignalEstimate(raw, raw - 0.03, raw + 0.03)
    alike = SignalEstimate(*like)
    name = SignalName(family, what)
    return SignalResult(
        name,
        (name,),
        "event" if level is None else "attribute",
        0.1,
        0.1,
        (
            SignalLevel(
                what,
                what.replace("_", " "),
                level,
                False,
                2 * leads,
                leads,
                leads / 3303,
                RawComparison(*rates, difference, difference.direction, 0.7 if explained else NAN, explained),
                alike,
                alike.direction,
                difference.direction != "no_clear_difference" and leads < 0.05 * 3303,
            ),
        ),
    )


SIGNALS = SignalReport(
    snapshots=9064,
    leads=3303,
    converted=272,
    base_rate=0.0626,
    signals=(
        signal(
            "profile",
            "seniority",
            level="c_level",
            rates=(0.12, 0.055),
            like=(0.043, 0.002, 0.112),
            leads=223,
        ),
        signal(
            "profile",
            "region",
            level="b76ef37428e6799c421989521c0e5077",
            rates=(0.06, 0.05),
            like=(0.0, -0.02, 0.02),
            leads=900,
        ),
        signal("actions", "pricing_page_visit", rates=(0.171, 0.042), like=(0.056, 0.024, 0.095), leads=415),
        signal(
            "actions",
            "webinar_attended",
            rates=(0.092, 0.052),
            like=(-0.003, -0.03, 0.018),
            leads=277,
            explained=(Explanation(SignalName("actions", "pricing_page_visit"), 0.4, more=True),),
        ),
        signal("actions", "demo_request", rates=(0.24, 0.049), like=(0.042, 0.005, 0.1), leads=100),
        signal(
            "undesirables", "careers_page_visit", rates=(0.005, 0.058), like=(-0.014, -0.02, -0.01), leads=172
        ),
    ),
    left_out=(),
)


def normal() -> TrainingResult:
    """A version that works, with ages, labels, leaks and every other part."""
    rates = [0.314, 0.172, 0.112, 0.081, 0.058, 0.041, 0.029, 0.017, 0.009, 0.0046]
    sizes = [215, 214, 214, 215, 214, 214, 215, 214, 214, 214]
    positives = [round(rate * n) for rate, n in zip(rates, sizes, strict=True)]
    deciles, so_far = [], 0
    for place, (n, won) in enumerate(zip(sizes, positives, strict=True), start=1):
        so_far += won
        rate = won / n
        deciles.append(
            Decile(place, n, won, rate, so_far / sum(positives), rate / (sum(positives) / sum(sizes)))
        )
    predicted = [0.004, 0.011, 0.018, 0.027, 0.038, 0.055, 0.078, 0.112, 0.171, 0.334]
    bands = tuple(
        CalibrationBand(
            mean,
            Estimate(
                row.rate,
                max(0.0, row.rate - 1.9 * (row.rate / row.n) ** 0.5),
                row.rate + 1.9 * (row.rate / row.n) ** 0.5,
            ),
            row.n,
        )
        for mean, row in zip(predicted, reversed(deciles), strict=True)
    )
    return TrainingResult(
        model="lead-conversion",
        timezone="UTC",
        created="2018-11-14T09:31:00+00:00",
        mqlml_version="0.1.0",
        question=Question(
            "Won within 60 days, scored 0, 7 and 30 days after the lead came in",
            "be won within 60 days",
            "were won within 60 days",
            repeated=True,
        ),
        data=data_of(
            {"leads": 8000, "events": 207917, "outcomes": 842},
            SetAside("outcomes", "won_date", "won before the lead was created", 1),
            SetAside("events", "lead_id", "the lead is not in the leads table", 12),
            SetAside("events", "", "the time cannot be read as a date", 3),
            observed_until="2018-11-14",
        ),
        population=steps(
            ("Leads in the file", 8000),
            ("Looks at 0, 7 and 30 days", 24000),
            ("Still open when looked at", 21840),
            ("Old enough to know the outcome", 14312),
            ("After refused rules", 14290),
        ),
        left_out=(
            LeftOut("newsletter_flag", "the same value for every lead"),
            LeftOut("internal_reference_number", "a different value for every lead"),
        ),
        leaks=(
            leak("close_reason", "Filled in for 100% of won leads and 3% of the others"),
            leak("onboarding_call", "420 winners have it, and nobody else", kind="action"),
            leak(
                "owner_last_changed_at",
                "Nearly always later than the moment of prediction",
                severity="likely",
            ),
        ),
        leak_test=PerturbationTest(300, 207, 2, 4000, 3120, 2000, ()),
        holdout=holdout(
            metrics(
                n=2143,
                positives=179,
                roc_auc=Estimate(0.764, 0.741, 0.789),
                average_precision=Estimate(0.271, 0.232, 0.314),
                log_loss=Estimate(0.2461, 0.2301, 0.2633),
                brier=Estimate(0.0669, 0.0611, 0.0732),
                brier_base_rate=0.0771,
                ece=Estimate(0.0061, 0.0038, 0.0119),
                lift_top_decile=Estimate(3.76, 3.21, 4.33),
            ),
            "2018-03-14",
            "2018-05-31",
        ),
        by_age={
            "0d": metrics(roc_auc=Estimate(0.681, 0.622, 0.739), n=790, positives=71),
            "7d": metrics(roc_auc=Estimate(0.773, 0.721, 0.822), n=721, positives=62),
            "30d": metrics(roc_auc=Estimate(0.831, 0.772, 0.888), n=632, positives=46),
        },
        over_time=PERIODS,
        slices=(),
        fit_by_engagement=CELLS,
        choice=CHOICE,
        learning_curve=CURVE,
        calibration=calibration(*bands),
        deciles=tuple(deciles),
        signals=SIGNALS,
        importance=Importance(
            families=(
                effect("actions", "actions", "", 0.1183, 0.1004, 0.1361),
                effect("profile", "profile", "", 0.0571, 0.0432, 0.0713),
                effect("channel", "channel", "", 0.0304, 0.0188, 0.0417),
                effect("undesirables", "undesirables", "", 0.0158, -0.0012, 0.0321),
            ),
            features=_features(),
            n=2143,
        ),
        baselines={
            "base_rate": baseline(
                metrics(roc_auc=about(0.5), brier=about(0.0771), log_loss=about(0.2904)),
                Estimate(-0.0443, -0.0552, -0.0331),
            ),
            "points": baseline(
                metrics(
                    roc_auc=Estimate(0.662, 0.633, 0.691),
                    average_precision=about(0.171),
                    lift_top_decile=about(2.2),
                ),
                Estimate(-0.031, -0.042, -0.021),
            ),
            "logistic": baseline(
                metrics(
                    roc_auc=Estimate(0.729, 0.702, 0.757),
                    average_precision=about(0.238),
                    log_loss=about(0.2577),
                    brier=about(0.0701),
                    ece=about(0.0102),
                    lift_top_decile=about(3.4),
                ),
                Estimate(-0.0116, -0.0171, -0.0058),
            ),
        },
        labels={
            "mql": label(
                0.094,
                "The lowest threshold at which at least 15% of leads convert",
                529,
                Estimate(0.2011, 0.1702, 0.2333),
                Estimate(0.5951, 0.5312, 0.6588),
                Estimate(47.6, 42.1, 53.3),
            ),
            "sql": label(
                0.212,
                "Set so that at most 20 leads a week reach it",
                223,
                Estimate(0.3094, 0.2561, 0.3622),
                Estimate(0.3851, 0.3199, 0.4502),
                Estimate(20.1, 17.2, 23.4),
            ),
        },
        by_lead=BY_LEAD,
        promoted=(),
        disqualified=(
            Disqualification("outside our region", 41, 2),
            Disqualification("competitor", 3, 0),
        ),
        gate=GateResult(True, (), ()),
    )


def refused() -> TrainingResult:
    """A version without skill on later leads."""
    result = normal()
    return dataclasses.replace(
        result,
        gate=GateResult(
            False,
            (
                "The ranking cannot be told apart from a coin: ROC AUC 0.531, interval 0.462 to 0.601.",
                "The probabilities are no better than the base rate known at training: Brier 0.284 against 0.250.",
            ),
            ("Only 54 leads converted in the held-out period, so every number here is rough.",),
        ),
        holdout=holdout(
            metrics(
                n=284,
                positives=54,
                roc_auc=Estimate(0.531, 0.462, 0.601),
                average_precision=Estimate(0.21, 0.16, 0.28),
                log_loss=Estimate(0.742, 0.66, 0.83),
                brier=Estimate(0.284, 0.251, 0.318),
                brier_base_rate=0.25,
                ece=Estimate(0.171, 0.14, 0.22),
                lift_top_decile=Estimate(1.1, 0.4, 1.9),
            ),
            "2018-03-14",
            "2018-05-31",
        ),
        calibration=calibration(
            *(
                CalibrationBand(0.05 + 0.15 * k, Estimate(0.19 + 0.01 * (-1) ** k, 0.08, 0.31), 47)
                for k in range(6)
            )
        ),
        signals=None,
        importance=Importance(
            families=(
                effect("profile", "profile", "", 0.012, -0.031, 0.052),
                effect("actions", "actions", "", -0.008, -0.041, 0.022),
            ),
            features=tuple(
                effect(name, family, sentence, drop / 5, -0.02, 0.02)
                for name, family, sentence, drop, *_ in _FEATURES[:8]
            ),
            n=284,
        ),
        deciles=tuple(
            Decile(k, 28, won, won / 28, so_far / 54, won / 28 / 0.19)
            for k, won, so_far in zip(
                range(1, 11),
                [6, 5, 7, 4, 6, 5, 5, 6, 4, 6],
                [6, 11, 18, 22, 28, 33, 38, 44, 48, 54],
                strict=True,
            )
        ),
        by_age={},
    )


def flat() -> TrainingResult:
    """One flat table: an order but no dates, no weeks, no ages, no horizon."""
    result = normal()
    return dataclasses.replace(
        result,
        model="x-education",
        question=Question(
            "Converted, as the table's label column says", "convert", "converted", repeated=False
        ),
        data=data_of({"Leads.csv": 9240}),
        population=steps(("Leads in the table", 9240), ("With a label", 9240), ("Kept to train", 6468)),
        leak_test=None,
        holdout=dataclasses.replace(
            result.holdout, start="623,118", until="660,737", n=2772, positives=1053, leads=2772
        ),
        by_age={},
        signals=None,
        importance=Importance(
            metric="roc_auc",
            families=(effect("profile", "profile", "", 0.381, 0.362, 0.402),),
            features=tuple(
                effect(name, "profile", name, drop, low, high)
                for name, drop, low, high in (
                    ("Total Time Spent on Website", 0.121, 0.108, 0.134),
                    ("Lead Origin", 0.094, 0.081, 0.106),
                    ("What is your current occupation", 0.061, 0.05, 0.072),
                    ("How did you hear about X Education", 0.0002, -0.001, 0.0014),
                )
            ),
            n=2772,
        ),
        gate=GateResult(
            True, (), ("9 columns look as if sales had filled them in afterwards; they were refused.",)
        ),
        labels={name: dataclasses.replace(found, per_week=None) for name, found in result.labels.items()},
        leaks=tuple(
            leak(column, "Written by sales after the call: it alone ranks 93% of pairs right")
            for column in ("Tags", "Lead Quality", "Lead Profile", "Last Notable Activity")
        ),
        disqualified=(),
        baselines={"logistic": result.baselines["logistic"]},
    )


def empty() -> TrainingResult:
    """A run of which next to nothing was measured."""
    return TrainingResult(
        model="nothing-yet",
        timezone="UTC",
        created="2025-02-03T10:00:00",
        mqlml_version="0.1.0",
        question=Question("Whether a lead converts", "convert", "converted", repeated=False),
        data=data_of({}),
        population=steps(),
        left_out=(),
        leaks=(),
        leak_test=None,
        holdout=holdout(metrics(), "2025-01-01", "2025-02-01"),
        by_age={},
        over_time=(),
        slices=(),
        fit_by_engagement=(),
        choice=CHOICE,
        learning_curve=(),
        calibration=calibration(),
        deciles=(),
        signals=None,
        importance=None,
        baselines={},
        labels={},
        by_lead=None,
        promoted=(),
        disqualified=(),
        gate=GateResult(True, (), ()),
    )


def tiny() -> TrainingResult:
    """Very little data: wide intervals, groups that were not measured, one threshold nobody reached."""
    return dataclasses.replace(
        empty(),
        model="first-try",
        created="2025-02-03",
        question=Question(
            "Won within 7 days, scored on the day of creation",
            "be won within 7 days",
            "were won within 7 days",
            repeated=False,
        ),
        data=data_of({"leads": 61, "outcomes": 3}, SetAside("leads", "lead_id", "no key", 1)),
        population=steps(("Leads in the file", 61), ("Old enough to know the outcome", 22)),
        holdout=holdout(
            metrics(
                n=7,
                positives=1,
                roc_auc=Estimate(0.83, 0.2, 1.0),
                brier=about(0.13),
                brier_base_rate=0.12,
            ),
            "2025-01-12",
            "2025-01-26",
        ),
        gate=GateResult(True, (), ("Only 1 lead converted in the held-out period.",)),
        signals=None,
        importance=Importance(
            families=(),
            features=(effect("actions__visit__count__all", "actions", "Visits so far", 0.0, 0.0, 0.0),),
            n=7,
            metric="average_precision",
        ),
        calibration=calibration(
            CalibrationBand(0.02, Estimate(0.0, 0.0, 0.41), 6),
            CalibrationBand(0.98, Estimate(1.0, 0.2, 1.0), 1),
        ),
        deciles=(Decile(1, 4, 1, 0.25, 1.0, 1.75), Decile(2, 3, 0, 0.0, 1.0, 0.0)),
        labels={
            "mql": label(0.5, "Fixed by hand at a probability of 50%", 1, about(1.0), about(1.0), about(0.5)),
            "sql": label(1.0, "Fixed by hand at a probability of 100%", 0, None, about(0.0), about(0.0)),
        },
    )


def drifting() -> TrainingResult:
    """A version that works, of a company whose leads convert more and less often from period to period."""
    warning = (
        "We cannot say that the percentages will stay accurate: from period to period the share of leads that "
        "converts changes more than chance explains (p = 0.003). Retrain often, and compare with actual results."
    )
    result = normal()
    return dataclasses.replace(
        result,
        calibration=dataclasses.replace(result.calibration, drift=True),
        gate=GateResult(True, (), (warning,)),
    )


SAMPLES = {
    "normal": normal,
    "drifting": drifting,
    "refused": refused,
    "flat": flat,
    "tiny": tiny,
    "empty": empty,
}
