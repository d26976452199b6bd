"""``promote``, ``rollback`` and ``history``: change the champion, take it back, and say who was it when."""

from __future__ import annotations

import datetime as dt
import json
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mqlml.commands.check import read_data
from mqlml.commands.compare import compare_contenders
from mqlml.commands.contenders import Contender
from mqlml.commands.inputs import find_store, load_model, read_moment
from mqlml.config import Config, read_config
from mqlml.errors import UsageError
from mqlml.evaluation.promotion import Evidence
from mqlml.progress import Progress
from mqlml.registry import (
    CHALLENGER,
    CHAMPION,
    ChampionChange,
    History,
    change_champion,
    find_rollback,
    load_version,
    read_history,
)
from mqlml.registry.holdout_log import find_user
from mqlml.registry.promotions import Action
from mqlml.render.version_results import ChampionResult, CompareResult, HistoryResult
from mqlml.results import to_json_safe
from mqlml.times import format_instant, parse_instant

__all__ = ["Reason", "crown", "promote_version", "roll_back", "show_history"]

_NOTIFY_SECONDS = 60


@dataclass(frozen=True)
class Reason:
    """Why the champion changes: an action of the history, a sentence, and the evidence if the rule was asked."""

    action: Action
    text: str
    evidence: Evidence | None = None


def promote_version(
    config_path: str | Path,
    which: str | None = None,
    *,
    force: bool = False,
    reason: str | None = None,
    now: dt.datetime,
    progress: Progress,
) -> ChampionResult:
    """Make a version, by default the challenger, the champion if the promotion rule allows it, or by force.

    Raises
    ------
    UsageError
        If force has no reason, or the version is the champion already.
    PromotionConflict
        If someone else changed the champion meanwhile.
    """
    if force and not (reason or "").strip():
        raise UsageError('--force needs a reason for the history: add --reason "why"')
    config = read_config(config_path)
    store = find_store(config)
    history = read_history(store, config.name)
    with progress.step("load"):
        bundle, version = load_version(store, config.name, which or CHALLENGER)
    if CHAMPION in version.aliases:
        raise UsageError(
            f"{config.name} version {version.version} is the champion already; name another version"
        )
    challenger, compared = Contender(bundle, version), None
    found = Reason("forced", reason or "")
    if not force and history.champion is not None:
        champion = Contender(*load_model(config, f"{config.name}@{history.champion.version}"))
        data = read_data(config, progress, now=now)
        compared = compare_contenders(champion, challenger, data, config, now=now, progress=progress)
        if not compared.decision.promote:
            return _kept(config, version.version, history, compared)
        text = reason or "it predicts later leads better than the champion"
        found = Reason("promoted", text, compared.evidence)
    change, notified = crown(config, version.version, history, found, now=now, progress=progress)
    return ChampionResult(
        model=config.name,
        version=version.version,
        champion=change.version,
        changed=True,
        decision=None if compared is None else compared.decision,
        change=change,
        notified=notified,
        later=None if compared is None else compared.later,
        timezone=config.data.timezone,
    )


def _kept(config: Config, version: int, history: History, compared: CompareResult) -> ChampionResult:
    return ChampionResult(
        model=config.name,
        version=version,
        champion=None if history.champion is None else history.champion.version,
        changed=False,
        decision=compared.decision,
        change=None,
        notified=None,
        later=compared.later,
        timezone=config.data.timezone,
    )


def roll_back(
    config_path: str | Path, *, reason: str | None = None, now: dt.datetime, progress: Progress
) -> ChampionResult:
    """Make the version that was the champion before the present one the champion again.

    Raises
    ------
    VersionError
        If there is none.
    """
    config = read_config(config_path)
    store = find_store(config)
    history = read_history(store, config.name)
    version = find_rollback(history, config.name)
    load_version(store, config.name, str(version))  # a version that cannot be loaded cannot score
    found = Reason("rolled_back", reason or "taken back")
    change, notified = crown(config, version, history, found, now=now, progress=progress)
    return ChampionResult(
        model=config.name,
        version=version,
        champion=change.version,
        changed=True,
        decision=None,
        change=change,
        notified=notified,
        later=None,
        timezone=config.data.timezone,
    )


def crown(
    config: Config,
    version: int,
    history: History,
    reason: Reason,
    *,
    now: dt.datetime,
    progress: Progress,
) -> tuple[ChampionChange, str | None]:
    """Make a version the champion, record it, and run ``promotion.notify``; also what went wrong with that.

    ``history`` is the one on which the decision rests; see `change_champion`.
    """
    store = find_store(config)
    digest = load_version(store, config.name, str(version))[1].digest
    change = ChampionChange(
        number=0,
        model=config.name,
        at=format_instant(now),
        by=find_user(),
        action=reason.action,
        version=version,
        previous=None,
        reason=reason.text,
        evidence=reason.evidence,
        bundle_sha256=digest,
    )
    made = change_champion(store, change, seen=history.length, say=progress.note)
    return made, _notify(config, made)


def _notify(config: Config, change: ChampionChange) -> str | None:
    """Run the command of ``promotion.notify`` with the change as JSON; why it failed, if it did."""
    command = config.promotion.notify
    if command is None:
        return None
    try:
        done = subprocess.run(
            shlex.split(command),
            input=json.dumps(to_json_safe(change)),
            cwd=config.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_NOTIFY_SECONDS,
        )
    except (OSError, ValueError) as error:
        return f"promotion.notify could not run: {error}"
    except subprocess.TimeoutExpired:
        return f"promotion.notify took longer than {_NOTIFY_SECONDS} seconds and was ended"
    if done.returncode == 0:
        return None
    said = " ".join(done.stderr.split())[-200:]
    return f"promotion.notify ended with {done.returncode}{f': {said}' if said else ''}"


def show_history(config_path: str | Path, *, at: str | None = None) -> HistoryResult:
    """All changes of the champion, or those up to a moment, with the champion then; a date means its start.

    Raises
    ------
    UsageError
        If the moment cannot be read.
    """
    config = read_config(config_path)
    zone = config.data.timezone
    history = read_history(find_store(config), config.name)
    if at is None:
        champion = None if history.champion is None else history.champion.version
        return HistoryResult(config.name, zone, None, champion, history.changes, (), history.moved_by_hand)
    moment = read_moment(at, zone, option="--at")
    end = _end_of_day(at, moment, zone)
    dated = [(parse_instant(change.at, "UTC"), change) for change in history.changes]
    changes = tuple(change for when, change in dated if when <= moment)
    day = tuple(change for when, change in dated if moment < when < end)
    # A change that was interrupted, as by a kill, made nobody the champion.
    made = [change.version for change in history.made if change in changes]
    champion = made[-1] if made else None
    return HistoryResult(config.name, zone, format_instant(moment), champion, changes, day, None)


def _end_of_day(at: str, moment: dt.datetime, zone: str) -> dt.datetime:
    """When the day ends that a date without a time means; of a time, that moment."""
    try:
        day = dt.date.fromisoformat(at.strip())
    except ValueError:
        return moment
    return parse_instant(day + dt.timedelta(days=1), zone)
