"""Whether more history would help: the learning curve goes in; a sentence, and what each doubling saved, come out.

What the last doubling of the history saved bounds what the next may save, since learning curves flatten.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import Estimate, LearningPoint
from mqlml.report import marked, words
from mqlml.report.charts import interval_bar, zero_scale

__all__ = ["LITTLE", "Doubling", "doublings", "more_history", "share_name"]

LITTLE = 0.01
"""Of the error: a doubling that saves less than this, by its whole interval, is not worth waiting for."""

_SHARES = {0.125: "an eighth", 0.25: "a quarter", 0.5: "half", 1.0: "all"}


@dataclass(frozen=True)
class Doubling:
    """What learning from twice as much saved, ready to be shown."""

    title: str
    looked_at: Markup
    saved: Markup
    range: Markup
    bar: Markup


def share_name(share: float) -> str:
    """``half`` for 0.5; a share without a name as a percentage."""
    return _SHARES.get(share) or words.percent(share)


def more_history(curve: tuple[LearningPoint, ...]) -> Markup | None:
    """What to expect of more history, judged by the interval of what the last doubling saved.

    Returns
    -------
    Markup or None
        None where the last doubling was not measured, so that nothing can be said.
    """
    steps = _steps(curve)
    if not steps or steps[-1][1] is not curve[-1]:
        return None
    before, _, saved, share = steps[-1]
    if share.high < LITTLE:
        said = "With {} of the history the model is nearly as good: more history will help little. The rest saved {}."
    elif share.low > 0:
        said = "More history should help: learning from all of it rather than {} saved {}, beyond chance."
    else:
        said = (
            "Whether more history would help cannot be told yet: learning from all of it rather than {} saved {}, "
            "which chance alone could explain."
        )
    gain = Markup("{} of the error on later leads ({})").format(
        _percent(saved.value, share.value) if share.value > 0 else "nothing", _range(saved, share)
    )
    return Markup(said).format(share_name(before.share), gain)


def doublings(curve: tuple[LearningPoint, ...]) -> list[Doubling]:
    """What each doubling saved, the first one first, as a share of the error before it; bars on one scale."""
    steps = _steps(curve)
    scale = zero_scale(end for *_, share in steps for end in (share.value, share.low, share.high))
    found = []
    for before, after, saved, share in steps:
        title = f"From {share_name(before.share)} of it to {share_name(after.share)}"
        bar = interval_bar(
            share.value,
            share.low,
            share.high,
            scale=scale,
            tone="bar plain",
            title=f"{title}: the error falls by {words.percent(share.value)}",
        )
        found.append(
            Doubling(
                title=title,
                looked_at=Markup("{} to {} looked at, {} to {} converted").format(
                    marked.count(before.rows),
                    marked.count(after.rows),
                    marked.count(before.positives),
                    marked.count(after.positives),
                ),
                saved=_percent(saved.value, share.value),
                range=_range(saved, share),
                bar=Markup(bar),
            )
        )
    return found


def _steps(curve: tuple[LearningPoint, ...]) -> list[tuple[LearningPoint, LearningPoint, Estimate, Estimate]]:
    """Each point after the one before it, what was saved, and that as a share of the error before."""
    steps = []
    for before, after in itertools.pairwise(curve):
        error = marked.value_of(before.log_loss)
        saved = after.saved
        if error is None or error <= 0 or saved is None or not marked.between(saved):
            continue
        share = Estimate(saved.value / error, saved.low / error, saved.high / error)
        steps.append((before, after, saved, share))
    return steps


def _percent(value: float, share: float) -> Markup:
    """A saving in per cent, with the log loss saved behind it."""
    return marked.mark(value, words.percent(share))


def _range(saved: Estimate, share: Estimate) -> Markup:
    ends = (_percent(saved.low, share.low), _percent(saved.high, share.high))
    return Markup("{} to {}").format(*ends)
