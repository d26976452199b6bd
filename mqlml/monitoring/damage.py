"""Which signals are gone from the data since a version was trained, by the evidence that monitoring reads.

A version that is trained on such data is damaged, and may look better than the champion on them, so the promotion
rule asks here first.
"""

from __future__ import annotations

import pandas as pd

from mqlml.config import Config
from mqlml.evaluation.holdout import RANDOM_STATE
from mqlml.journeys import Journeys
from mqlml.monitoring.evidence import combine_streams, gone_streams
from mqlml.monitoring.inputs import count_signals, make_reference_sample, sample_runs, watched_signals
from mqlml.monitoring.snapshots import WEEK, known_by
from mqlml.monitoring.verdict import decide
from mqlml.registry import Bundle
from mqlml.scoring import problem_of
from mqlml.times import format_instant, from_microseconds, parse_instant, to_microseconds
from mqlml.training import open_leads

__all__ = ["find_gone_signals"]


def find_gone_signals(bundle: Bundle, data: Journeys, config: Config) -> tuple[str, ...]:
    """The signals, as sentences, that hardly any lead has any more, though the version learned from them.

    They are counted at the end of each week from the end of the version's data to that of ``data``, as ``mqlml
    monitor`` counts them where it scores again.
    """
    known = bundle.result.data.observed_until
    start = None if known is None else parse_instant(known, "UTC")
    if start is None or data.observed_until <= start:
        return ()
    journeys, problem = known_by(data, data.observed_until), problem_of(bundle)
    weeks = range(to_microseconds(start), to_microseconds(data.observed_until) + 1, WEEK)
    opened = (open_leads(journeys, from_microseconds(at), problem) for at in weeks)
    runs: dict[str, pd.DataFrame] = {
        format_instant(from_microseconds(at)): found
        for at, found in zip(weeks, opened, strict=True)
        if len(found)
    }
    if not runs:
        return ()
    signals = watched_signals(bundle.plan, bundle.scorer.encoder_.levels_)
    reference = make_reference_sample(
        journeys, problem, bundle.plan, signals, until=start, random_state=RANDOM_STATE
    )
    before = count_signals([reference.sample], signals)
    found = sample_runs(journeys, bundle.plan, signals, list(runs.values()), random_state=RANDOM_STATE)
    now = count_signals(list(found), signals)
    rules = config.monitoring
    evidence = combine_streams(
        gone_streams(now.present, now.counted, before.totals(before.present)),
        list(runs),
        alarm=rules.alarm,
        tolerance=rules.tolerance,
    )
    gone = {reason.feature for reason in decide(evidence, None)[1]}
    return tuple(one.feature.sentence for one in signals if one.feature.name in gone)
