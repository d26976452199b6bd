"""Columns: what values and gaps of an attribute tell, one finding for each, and questions that no clue can settle."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Profile
from mqlml.errors import ConfigError, LeakageError
from mqlml.texts import format_percent
from mqlml.training.leakage.findings import Clue, ColumnQuestion, Finding, conclude
from mqlml.training.leakage.names import check_identifier, check_name
from mqlml.training.leakage.times import Moments, check_times
from mqlml.training.leakage.univariate import (
    AUDIT_ERROR,
    Halves,
    Ranking,
    check_values,
    code_values,
    filled_rows,
    lifted,
    lower_share,
    rank_later,
    split_halves,
)

__all__ = [
    "Evidence",
    "ask_about",
    "audit_columns",
    "audited_columns",
    "check_filling",
    "check_forced",
    "check_missingness",
]


_SHARE, _SHARE_LOW = 0.97, 0.8
"""Thresholds for the share of winners among the filled leads and for its lower bound; lower than for a rule of
values, since there is nothing to choose, and so no best one of many that looks good by luck."""


def check_missingness(
    values: pd.Series,
    halves: Halves,
    *,
    error: float,
    reached: Mapping[str, npt.NDArray[np.bool_]] | None = None,
) -> Clue | None:
    """Whether being filled in (or empty) nearly always goes with winning or with a deal, or surely with neither.

    The first is refused. The second is noted only: a competitor's name, too, is filled in for those who never buy,
    and is known beforehand.

    Parameters
    ----------
    values : one row per lead.
    error : the chance that one of the bounds may be too high.
    reached : for each outcome short of winning, as a text that ends "leads with …", which leads have it.
    """
    filled = filled_rows(values)
    if filled.all() or not filled.any():
        return None
    won = halves.won
    winners, others = int(won.sum()), int((~won).sum())
    if min(winners, others) == 0:
        return None
    ranking = rank_later(filled.astype(np.int64), 2, halves, error=error)
    of_winners, of_others = float(filled[won].mean()), float(filled[~won].mean())
    figures: dict[str, float | int] = {
        "filled": int(filled.sum()),
        "filled_of_winners": of_winners,
        "filled_of_others": of_others,
        "winners": winners,
        "others": others,
    }
    if ranking is not None:
        figures |= {"auc": ranking.auc, "auc_low": ranking.auc_low}
    if ranking is not None and ranking.too_good:
        text = (
            f"it is filled in for {format_percent(of_winners)} of the winners and {format_percent(of_others)} of the "
            "others: that alone gives the outcome away"
        )
        return Clue("missingness", text, figures, "likely")
    sides = ((filled, "filled in"), (~filled, "empty"))
    counts = [(int(won[rows].sum()), int(rows.sum()), state) for rows, state in sides]
    least = max(_SHARE_LOW, lifted(winners, others))
    for hits, n, state in counts:
        if hits >= _SHARE * n and lower_share(hits, n, error=error) >= least:
            text = f"{hits:,} of the {n:,} leads for which it is {state} converted: that alone gives the outcome away"
            return Clue("missingness", text, figures, "likely")
    for outcome, rows in (reached or {}).items():
        if (clue := _check_reached(filled, outcome, rows, halves, error)) is not None:
            return clue
    least = max(_SHARE_LOW, lifted(others, winners))
    (filled_hits, filled_n, _), (empty_hits, empty_n, _) = counts
    if lower_share(filled_n - filled_hits, filled_n, error=error) >= least:
        text = (
            f"{filled_hits:,} of the {filled_n:,} leads for which it is filled in converted: is it written when "
            "one is lost?"
        )
        return Clue("missingness", text, figures, "suspicious", refuses=False)
    if lower_share(empty_n - empty_hits, empty_n, error=error) >= least:
        text = (
            f"{_winners_with_it(filled_hits, winners)}, and {empty_hits:,} of the {empty_n:,} leads without it "
            "converted: is it filled in on the way to a deal?"
        )
        return Clue("missingness", text, figures, "suspicious", refuses=False)
    return None


def _check_reached(
    filled: npt.NDArray[np.bool_], outcome: str, rows: npt.NDArray[np.bool_], halves: Halves, error: float
) -> Clue | None:
    """Whether a column is filled in for nearly all leads that reached an outcome, and for hardly any other."""
    ranking = rank_later(filled.astype(np.int64), 2, Halves(halves.early, halves.late, rows), error=error)
    of_reached, of_rest = int(filled[rows].sum()), int(filled[~rows].sum())
    if ranking is None or not ranking.too_good or of_reached * len(rows) < filled.sum() * rows.sum():
        return None
    n, rest, winners = int(rows.sum()), int((~rows).sum()), int(halves.won.sum())
    of_winners = int(filled[halves.won].sum())
    text = (
        f"{_winners_with_it(of_winners, winners)}, and so have {of_reached:,} of the {n:,} leads with {outcome} and "
        f"{of_rest:,} of the {rest:,} others: it is filled in once there is {outcome}"
    )
    figures = {
        "filled_of_reached": of_reached / n,
        "filled_of_rest": of_rest / rest,
        "filled_of_winners": of_winners / winners,
        "reached": n,
        "rest": rest,
        "auc": ranking.auc,
        "auc_low": ranking.auc_low,
    }
    return Clue("missingness", text, figures, "likely")


def _winners_with_it(n: int, winners: int) -> str:
    return "every winner has it" if n == winners else f"{n:,} of the {winners:,} winners have it"


_ENOUGH = 50
_RATIO = 1.25
"""The older leads must surely be filled in so many times as often as the youngest: less is a change of a form."""


def check_filling(
    values: pd.Series, created: npt.NDArray[np.int64], settled: npt.NDArray[np.bool_], *, error: float
) -> Clue | None:
    """Whether a column fills up over a lead's life: the youngest leads have it more rarely, the youngest most rarely.

    The youngest are those that have not had their horizon; as many leads before them, twice, are the older ones. A
    form that asks no longer empties a column at one moment, and is told apart by the younger half of the youngest.

    Parameters
    ----------
    values : one row per lead.
    created : int64 microseconds per lead.
    settled : the leads that had their whole horizon.
    """
    order = np.argsort(created, kind="stable")
    young = order[~settled[order]]
    old = order[settled[order]][-2 * len(young) :]
    if min(len(young), len(old)) < _ENOUGH:
        return None
    filled = filled_rows(values)
    hits, old_hits = int(filled[young].sum()), int(filled[old].sum())
    high = 1 - lower_share(len(young) - hits, len(young), error=error)
    if lower_share(old_hits, len(old), error=error) < _RATIO * high:
        return None
    first, second = np.array_split(young, 2)
    if filled[second].mean() >= filled[first].mean() / _RATIO or filled[first].mean() >= old_hits / len(old):
        return None
    share, old_share = hits / len(young), old_hits / len(old)
    text = (
        f"it is filled in for {format_percent(share)} of the {len(young):,} youngest leads and "
        f"{format_percent(old_share)} of the {len(old):,} before them: it fills up over a lead's life, so new "
        f"leads look different. Read it from a "
        "history (profile.history), or leave it out"
    )
    figures = {"filled_of_young": share, "filled_of_old": old_share, "young": len(young), "old": len(old)}
    return Clue("fills_up", text, figures, "suspicious", refuses=False)


_BOUNDS, _TIME_BOUNDS = 7, 6
"""Bounds computed for a column: two for its values, five for its missingness. Where leads have times, four for its
times, two for its missingness by age; and one for each other outcome (`Evidence.reached`)."""


@dataclass(frozen=True)
class Evidence:
    """What is known beside the columns and the labels.

    Attributes
    ----------
    settled : ndarray of bool or None
        The leads that had time enough to convert; the others' labels are not used. None means all.
    moments : Moments or None
        The journeys' times; None for a flat table, which has none.
    reached : for each outcome short of winning, as a text, which leads reached it.
    changes : clues of the attribute history, by column.
    targets, written : as in `check_name`.
    """

    settled: npt.NDArray[np.bool_] | None = None
    moments: Moments | None = None
    reached: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    changes: Mapping[str, Clue] = field(default_factory=dict)
    targets: Collection[str] = ()
    written: Collection[str] = ()


def check_forced(forced: Iterable[str], there: Collection[str], where: str, what: str) -> None:
    """Refuse a config that forces a column or event type that does not exist.

    Raises
    ------
    ConfigError
        With the nearest known names.
    """
    for name in forced:
        if name not in there:
            near = difflib.get_close_matches(name, list(there), n=3, cutoff=0.6)
            found = ", ".join(map(repr, list(there)[:6])) + (", …" if len(there) > 6 else "") or "none"
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {found}"
            raise ConfigError(f"{where} names {name!r}, which is no {what}; {hint}")


def audited_columns(attributes: pd.DataFrame, profile: Profile) -> list[str]:
    """The columns that may become static features, or would if they were not refused; and the account."""
    static = profile.static
    return [
        column
        for column in attributes.columns
        if (static == "auto" or column in (*static, *profile.force, "account_id"))
        and column not in profile.history
    ]


def audit_columns(
    attributes: pd.DataFrame,
    label: npt.NDArray[np.int8],
    order: npt.NDArray[np.int64],
    profile: Profile,
    evidence: Evidence | None = None,
) -> tuple[Finding, ...]:
    """Find columns that are written afterwards.

    Parameters
    ----------
    attributes : DataFrame, one row per lead
        The candidate columns only, with their present values.
    label : ndarray of int8
        1 for a lead that converted.
    order : ndarray of int64
        Each lead's place in time: the audit learns on the earlier half and evaluates on the later one.
    profile : config section
        ``static`` (columns the user named), ``history`` (read as of the cutoff, so not audited here) and ``force``
        (columns kept in spite of the audit).

    Returns
    -------
    tuple of Finding, in the order of the columns.

    Raises
    ------
    LeakageError
        If ``profile.static`` names a column that the audit refuses and ``profile.force`` does not.
    ConfigError
        If ``profile.force`` names a column that does not exist.
    """
    evidence = evidence or Evidence()
    check_forced(profile.force, list(attributes.columns), "profile.force", "attribute of the leads")
    named: Collection[str] = () if profile.static == "auto" else profile.static
    audited = audited_columns(attributes, profile)
    rows = np.arange(len(label)) if evidence.settled is None else np.flatnonzero(evidence.settled)
    halves = split_halves(label[rows], order[rows])
    bounds = _BOUNDS + len(evidence.reached) + (_TIME_BOUNDS if evidence.moments is not None else 0)
    error = AUDIT_ERROR / max(bounds * len(audited), 1)
    findings = []
    for column in audited:
        values = attributes[column]
        if _is_constant(values):
            continue  # no information, so no leak
        clues = [*_check_column(str(column), values, rows, halves, evidence, error)]
        finding = conclude(column, clues, force=profile.force)
        if finding is None:
            continue
        if finding.action == "refused" and column in named:
            raise LeakageError(
                f"profile.static names {column!r}, but {finding.evidence[0].text}. Remove it, or say why it is known "
                f"at the cutoff: profile: {{force: {{{column}: reason}}}}"
            )
        findings.append(finding)
    return tuple(findings)


def _is_constant(values: pd.Series) -> bool:
    filled = values.notna().to_numpy(np.bool_)
    if not filled.any() or not filled.all():
        return not filled.any()
    return bool((values == values.iloc[0]).all())


def _check_column(
    column: str,
    values: pd.Series,
    rows: npt.NDArray[np.intp],
    halves: Halves,
    evidence: Evidence,
    error: float,
) -> Iterator[Clue]:
    settled = values if len(rows) == len(values) else values.iloc[rows].reset_index(drop=True)
    reached = {outcome: which[rows] for outcome, which in evidence.reached.items()}
    missingness = check_missingness(settled, halves, error=error, reached=reached)
    moments, filling = evidence.moments, None
    if moments is not None and evidence.settled is not None:
        filling = check_filling(values, moments.created, evidence.settled, error=error)
    clues = (
        check_name(column, targets=evidence.targets, written=evidence.written),
        None if moments is None else check_times(values, moments, error=error),
        missingness,
        # The values can only repeat what their absence has shown.
        None
        if missingness is not None and missingness.refuses
        else check_values(settled, halves, error=error),
        filling,
        check_identifier(values),
        evidence.changes.get(column),
    )
    yield from (clue for clue in clues if clue is not None)


_MOST = 0.5
"""A column with more than this share of the skill of all columns, each alone, carries most of it."""

_TELLS, _TELLS_LOW = 0.65, 0.6
"""Below this ROC AUC, or lower bound, there is hardly any skill to carry."""

_STRONG, _STRONG_LOW = 0.85, 0.8
"""A column this good is asked about whatever the others do: two copies of one leak halve each other's share."""


def ask_about(
    attributes: pd.DataFrame,
    label: npt.NDArray[np.int8],
    order: npt.NDArray[np.int64],
    profile: Profile,
    *,
    findings: Collection[Finding] = (),
    settled: npt.NDArray[np.bool_] | None = None,
) -> tuple[ColumnQuestion, ...]:
    """The columns that carry most of the skill and that no one has vouched for.

    Parameters
    ----------
    attributes, label, order, profile, settled : as in `audit_columns`.
    findings : of the audit: what it refused is not used, and what the config forces has its reason already.

    Returns
    -------
    tuple of ColumnQuestion, in the order of the columns.
    """
    answered = {found.column for found in findings if found.kind == "column" and found.action != "noted"}
    columns = [column for column in audited_columns(attributes, profile) if column not in answered]
    rows = np.arange(len(label)) if settled is None else np.flatnonzero(settled)
    halves = split_halves(label[rows], order[rows])
    error = AUDIT_ERROR / max(len(columns), 1)
    rankings: dict[str, Ranking] = {}
    for column in columns:
        codes, size = code_values(attributes[column].iloc[rows].reset_index(drop=True), halves.early)
        ranking = rank_later(codes, size, halves, error=error)
        if ranking is not None and ranking.skill > 0:
            rankings[column] = ranking
    total = sum(ranking.skill for ranking in rankings.values())
    return tuple(
        _ask(column, ranking, ranking.skill / total)
        for column, ranking in rankings.items()
        if column not in profile.force and _carries_most(ranking, ranking.skill / total)
    )


def _carries_most(ranking: Ranking, share: float) -> bool:
    most = share > _MOST and ranking.auc >= _TELLS and ranking.auc_low >= _TELLS_LOW
    return most or (ranking.auc >= _STRONG and ranking.auc_low >= _STRONG_LOW)


def _ask(column: str, ranking: Ranking, share: float) -> ColumnQuestion:
    text = (
        f"is it known at the cutoff? It alone ranks later winners with an AUC of {ranking.auc:.2f} and carries "
        f"{format_percent(share)} of the skill of all columns. If so, say why: "
        f"profile: {{force: {{{column}: reason}}}}; otherwise leave it out of the leads"
    )
    return ColumnQuestion(column, text, ranking.auc, ranking.auc_low, share)
