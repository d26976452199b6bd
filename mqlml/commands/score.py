"""``score`` labels every open lead by a version; with ``--check`` it only tries what that needs."""

from __future__ import annotations

import contextlib
import datetime as dt
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from mqlml import __version__
from mqlml.commands.accounts import (
    AccountTable,
    check_accounts,
    make_accounts,
    read_accounts,
    write_accounts,
)
from mqlml.commands.check import check_rules, read_leads, require_past
from mqlml.commands.inputs import find_cutoff, load_model, with_memory_limit
from mqlml.commands.partitioned_table import fingerprint_file, fingerprint_values, working_in
from mqlml.config import Config, Table, expand_text, read_config
from mqlml.errors import (
    DatabaseError,
    LabelChangeRefused,
    OutputError,
    StoppedError,
    UsageError,
)
from mqlml.journeys import FlatTable, Journeys, read_flat, read_lead_ids
from mqlml.journeys.databases import AROUND_EVENTS, TABLES, copied_tables, has_databases, open_copies
from mqlml.journeys.sources import blaming, find_files
from mqlml.progress import Progress
from mqlml.registry import Bundle
from mqlml.render.results import ScoreCheckResult, ScoreResult
from mqlml.scoring import SCORE_COLUMNS, count_older, problem_of, read_scores
from mqlml.scoring.batch import ScoringRun, find_open, score_flat_rows
from mqlml.scoring.batches import Batch, RunRecord, compare_labels, count_labels, list_skipped
from mqlml.scoring.earlier import find_scores
from mqlml.scoring.explain import Explainer
from mqlml.scoring.job import OpenLeads, related_leads, score_parts, write_part
from mqlml.scoring.sinks import CsvStyle
from mqlml.scoring.targets import FileOptions, Target, make_target
from mqlml.times import format_instant
from mqlml.training import exclude_leads

__all__ = ["ScoreOptions", "check_score", "find_newest", "read_score_options", "score_leads"]


_RESUMABLE = (OutputError, DatabaseError, StoppedError)
"""Errors after which a second run can take over what the first one finished; others mean that the data is mended."""


@dataclass(frozen=True)
class ScoreOptions:
    """What may differ from the usual run.

    Attributes
    ----------
    model : ``NAME@ALIAS`` or ``NAME@NUMBER``; the champion if None.
    leads : score these leads only: a table with the column of lead ids; for a flat table, a file of new rows.
    previous : earlier scores, for labels that are held (``hold``, ``exit``) and for what changed; those of the cutoff
        or later change nothing. A database knows its own.
    table : the table of scores in a database; ``lead_scores`` if None.
    columns : the columns of a file, of the scores or of the leads; all of the scores if None.
    changed : write only leads whose label is another one than in ``previous``, new leads included.
    exact : write a CSV as data, not for people.
    max_change : write nothing if more than this share of the leads scored before changes its label.
    accounts : a file that gets one row per account; see `summarize_accounts`.
    wait : wait for another job on the same target instead of ending.
    memory_limit : a size, as ``1.5GB``, in place of ``data.memory_limit``.
    job_id : the run's own text in the logs and in ``score_runs``; a new one if None.
    """

    model: str | None = None
    leads: str | Path | None = None
    previous: str | Path | None = None
    table: str | None = None
    columns: tuple[str, ...] | None = None
    changed: bool = False
    exact: bool = False
    max_change: float | None = None
    accounts: str | Path | None = None
    wait: bool = False
    memory_limit: str | None = None
    job_id: str | None = None


@dataclass(frozen=True)
class _Scored:
    """Finished scores in files, and what the record of the run says of them; the accounts if they are asked for."""

    files: tuple[Path, ...]
    leads: int
    skipped: pd.DataFrame
    older: int
    rows_read: int
    quarantined: int
    newest: dt.datetime | None
    accounts: AccountTable | None


def score_leads(
    config_path: str | Path,
    *,
    as_of: str | None,
    out: str | Path,
    now: dt.datetime,
    progress: Progress,
    options: ScoreOptions | None = None,
) -> ScoreResult:
    """Label every lead that is open at ``as_of`` and write one row for each.

    Parameters
    ----------
    as_of : str or None
        ISO date or time, in the config's zone where it names none. A flat table needs none: then ``now``.
    out : path of a ``.parquet`` or ``.csv`` file, replaced whole, or the URL of a database: PostgreSQL, SQLite
        or DuckDB. ``${NAME}`` is read from the environment.

    Raises
    ------
    UsageError
        If options do not go together.
    LabelChangeRefused
        If more labels would change than ``max_change`` allows.
    OutputError, DatabaseError
        If the target cannot be written; it is then unchanged, and the next run resumes from the finished parts.
    StoppedError
        If the system asked the process to end.
    """
    options = options or ScoreOptions()
    config, target, moment = read_score_options(config_path, as_of, out, now=now, options=options)
    with progress.step("load"):
        bundle, version = load_model(config, options.model)
    accounts = None if options.accounts is None else check_accounts(options.accounts, out, bundle)
    attributes = tuple(name for name in options.columns or () if name not in SCORE_COLUMNS)
    run = ScoringRun(config, moment, now, version, attributes=attributes)
    with target.holding(wait=options.wait):
        work = target.work_folder(config.folder)
        key = _identify(run, options, target.state)
        with working_in(work, key, wait=options.wait, resumable=_RESUMABLE):
            scored = _score(bundle, run, target, options, work, progress)
            before, changed = compare_labels(scored.files)
            _check_change(before, changed, options.max_change)
            record = RunRecord(
                job_id=options.job_id or uuid.uuid4().hex,
                started_at=now,
                cutoff_time=moment,
                model_name=bundle.name,
                model_version=version.version,
                rows_read=scored.rows_read,
                quarantined=scored.quarantined,
                scored=scored.leads,
                skipped=len(scored.skipped),
                labels=count_labels(scored.files),
                changed_labels=changed,
                newest_fact=scored.newest,
                mqlml_version=__version__,
            )
            with progress.step("write"):
                target.publish(Batch(scored.files, scored.skipped, record, whole=options.leads is None))
                written = None
                if accounts is not None and scored.accounts is not None:
                    written = write_accounts(scored.accounts, accounts, style=_csv_style(config, options))
    return replace(_result(target, run, scored, record), accounts=written)


def read_score_options(
    config_path: str | Path, as_of: str | None, out: str | Path, *, now: dt.datetime, options: ScoreOptions
) -> tuple[Config, Target, dt.datetime]:
    """The config, the target and the cutoff that options mean; see `score_leads`."""
    config = read_config(config_path)
    if options.memory_limit is not None:
        config = with_memory_limit(config, options.memory_limit)
    require_past(config, now)
    if options.changed and options.previous is None:
        raise UsageError("--changed needs the last scores to compare with: add --previous FILE")
    if options.accounts is not None and options.leads is not None and config.data.flat is None:
        raise UsageError("--accounts needs all open leads of an account; leave --leads out")
    target = make_target(
        expand_text(str(out), "--out"),
        config.folder,
        table=options.table,
        options=FileOptions(options.columns, options.changed, _csv_style(config, options)),
    )
    return config, target, find_cutoff(config, as_of, command="score", now=now)


def _csv_style(config: Config, options: ScoreOptions) -> CsvStyle | None:
    return None if options.exact else CsvStyle(config.data.timezone)


def _score(
    bundle: Bundle, run: ScoringRun, target: Target, options: ScoreOptions, work: Path, progress: Progress
) -> _Scored:
    if run.config.data.flat is not None:
        return _score_flat(bundle, run, target, options, work, progress)
    config = run.config
    with contextlib.ExitStack() as stack:
        copies = None
        if has_databases(config):
            copies = stack.enter_context(open_copies(config, work / "source"))
        with progress.step("read"):
            if copies is not None:
                config = copies.copy(AROUND_EVENTS)
            journeys, ids = read_leads(config)
        account = None if options.accounts is None else read_accounts(journeys)
        lead_ids = None if options.leads is None else read_lead_ids(config, options.leads)
        snapshots = find_open(bundle, journeys, replace(run, config=config), lead_ids)
        if copies is not None:
            related = related_leads(journeys.leads, snapshots["lead_id"])
            others = pd.concat([journeys.leads.loc[~related, "lead_id"], ids.left_out["lead_id"]])
            with progress.step("read"):
                config = copies.copy(("events",), unneeded=others.astype("str").tolist())
                copies.finish()
    run = replace(run, config=config)
    run = _with_previous(run, target, options, snapshots["lead_id"], bundle.name)
    with _sigterm() as asked:

        def after_part(number: int, parts: int) -> None:
            if asked():
                raise StoppedError(
                    f"stopped by SIGTERM after part {number} of {parts}; the same command resumes from there"
                )

        whole, files = score_parts(
            Explainer(bundle),
            OpenLeads(journeys, ids, snapshots),
            run,
            work,
            limit=config.data.memory_limit,
            progress=progress,
            after_part=after_part,
        )
    return _Scored(
        files=files,
        leads=len(snapshots),
        skipped=list_skipped(journeys, problem_of(bundle), run.as_of, snapshots["lead_id"], ids.left_out),
        older=count_older(bundle, journeys, snapshots, run.as_of),
        rows_read=sum(whole.rows_read.values()),
        quarantined=len(whole.quarantine),
        newest=find_newest(journeys, run.as_of),
        accounts=None if account is None else make_accounts(files, journeys, account, bundle),
    )


def _score_flat(
    bundle: Bundle, run: ScoringRun, target: Target, options: ScoreOptions, work: Path, progress: Progress
) -> _Scored:
    with progress.step("read"):
        flat: FlatTable = exclude_leads(read_flat(run.config, options.leads), run.config)
    account = None if options.accounts is None else read_accounts(flat)
    run = _with_previous(run, target, options, flat.leads["lead_id"], bundle.name)
    with progress.step("score"):
        table = score_flat_rows(bundle, flat, run)
    file = write_part(table, work)
    labeled = flat.leads.loc[flat.label.notna().to_numpy(), ["lead_id"]].reset_index(drop=True)
    skipped = labeled.assign(cutoff_time=pd.Timestamp(run.as_of).as_unit("us"), reason="label known already")
    return _Scored(
        files=(file,),
        leads=len(table),
        skipped=skipped,
        older=0,
        rows_read=sum(flat.rows_read.values()),
        quarantined=len(flat.quarantine),
        newest=None,
        accounts=None if account is None else make_accounts((file,), flat, account, bundle),
    )


def _with_previous(
    run: ScoringRun, target: Target, options: ScoreOptions, lead_id: pd.Series, model_name: str
) -> ScoringRun:
    """The run with the scores before its cutoff: those of ``--previous``, else those that the target holds."""
    target.prepare(integer_ids=pd.api.types.is_integer_dtype(lead_id.dtype))
    if options.previous is not None:
        return replace(run, previous=read_scores(options.previous))
    return replace(run, previous=target.last_scores(run.as_of, model_name, lead_id))


@contextlib.contextmanager
def _sigterm() -> Iterator[Callable[[], bool]]:
    """Catch SIGTERM; what is yielded tells whether one came."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGTERM, before)


def _identify(run: ScoringRun, options: ScoreOptions, state: str) -> str:
    """A key for what a run makes; the files it reads count by their fingerprints, databases by their query."""
    config, version = run.config, run.version
    assert version is not None
    files: list[str] = []
    for name in TABLES:
        spec = getattr(config.data, name)
        for table in spec if isinstance(spec, list) else [spec]:
            if isinstance(table, Table) and table.path is not None:
                with blaming(f"data.{name}"):
                    files += [fingerprint_file(path) for _, path in find_files(table, config.folder)]
    given = [] if options.leads is None else [Path(options.leads)]
    given += [] if options.previous is None else find_scores(options.previous)
    return fingerprint_values(
        {
            "mqlml": __version__,
            "config": config.model_dump(mode="json"),
            "as_of": run.as_of.isoformat(),
            "version": (version.name, version.version, version.run_id),
            "files": files,
            "given": [fingerprint_file(path) for path in given if path.is_file()],
            "columns": (options.columns, options.changed),
            "target": state,
        }
    )


def _check_change(before: int, changed: int, most: float | None) -> None:
    if most is not None and before and changed / before > most:
        raise LabelChangeRefused(
            f"{changed:,} of {before:,} leads would change their label ({changed / before:.1%}), and --max-change "
            f"allows {most:.1%}; nothing was written. See that the data is complete, or raise --max-change"
        )


def find_newest(journeys: Journeys, as_of: dt.datetime) -> dt.datetime | None:
    """The last moment before the cutoff at which a lead was created or an outcome recorded."""
    times = pd.concat([journeys.leads["created_at"], journeys.outcomes["recorded_at"]])
    known = times[times < pd.Timestamp(as_of)]
    return None if known.empty else known.max().to_pydatetime()


def _result(target: Target, run: ScoringRun, scored: _Scored, record: RunRecord) -> ScoreResult:
    version = run.version
    assert version is not None
    reasons = scored.skipped["reason"].value_counts()
    return ScoreResult(
        out=target.shown,
        as_of=format_instant(run.as_of),
        timezone=run.config.data.timezone,
        leads=scored.leads,
        older_than_learned=scored.older,
        labels=record.labels,
        changed_labels=record.changed_labels,
        skipped={str(reason): int(n) for reason, n in reasons.items()},
        rows_read=record.rows_read,
        quarantined=record.quarantined,
        parts=len(scored.files),
        job_id=record.job_id,
        model=record.model_name,
        version=record.model_version,
        run_id=version.run_id,
        newest_fact=None if scored.newest is None else format_instant(scored.newest),
    )


def check_score(
    config_path: str | Path,
    *,
    as_of: str | None,
    out: str | Path,
    now: dt.datetime,
    progress: Progress,
    options: ScoreOptions | None = None,
) -> ScoreCheckResult:
    """Read leads, outcomes and history, load the version, apply the rules, and prepare the target.

    Parameters
    ----------
    as_of, out, options : as for `score_leads`

    Raises
    ------
    MqlmlError
        As `score_leads`, for whatever would stop it before it scores.
    """
    options = options or ScoreOptions()
    config, target, moment = read_score_options(config_path, as_of, out, now=now, options=options)
    if config.data.flat is not None:
        raise UsageError("--check is for journeys; a flat table is read whole by mqlml check")
    with progress.step("load"):
        bundle, version = load_model(config, options.model)
    if options.accounts is not None:
        check_accounts(options.accounts, out, bundle)
    with progress.step("read"), copied_tables(config, AROUND_EVENTS) as copied:
        journeys, _ = read_leads(copied)
    if options.accounts is not None:
        read_accounts(journeys)
    check_rules(journeys.leads, config)
    snapshots = find_open(bundle, journeys, ScoringRun(config, moment, now, version), None)
    with target.holding(wait=options.wait):
        target.prepare(integer_ids=pd.api.types.is_integer_dtype(journeys.leads["lead_id"].dtype))
    newest = find_newest(journeys, moment)
    return ScoreCheckResult(
        out=target.shown,
        as_of=format_instant(moment),
        timezone=config.data.timezone,
        leads=len(snapshots),
        rows_read=dict(journeys.rows_read),
        quarantined=len(journeys.quarantine),
        newest_fact=None if newest is None else format_instant(newest),
        hours_old=None if newest is None else round((moment - newest).total_seconds() / 3600, 1),
        model=bundle.name,
        version=version.version,
    )
