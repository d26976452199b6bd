"""``retrain``: train, compare with the champion, promote or keep, and report; for a job that nobody watches."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from mqlml.commands.check import read_data
from mqlml.commands.compare import check_question, compare_contenders
from mqlml.commands.contenders import Contender
from mqlml.commands.inputs import find_store
from mqlml.commands.learn import Trained, train
from mqlml.commands.promote import Reason, crown
from mqlml.commands.train import register
from mqlml.config import Config, describe_config, read_config
from mqlml.errors import VersionError
from mqlml.progress import Progress
from mqlml.registry import CHAMPION, History, Version, check_store, load_version, read_history
from mqlml.registry.holdout_log import Logbook
from mqlml.render.report.page import render_report
from mqlml.render.version_results import CompareResult, RetrainResult
from mqlml.scoring import check_target, write_text

__all__ = ["retrain"]


def retrain(
    config_path: str | Path, out: str | Path | None = None, *, now: dt.datetime, progress: Progress
) -> RetrainResult:
    """Train a version and compare it with the champion; promote it if the rule allows, and write the report.

    Nothing but the report and the store is written, so it may run while another job scores.

    Raises
    ------
    GateRefused
        If nothing can be learned.
    PromotionConflict
        If someone else changed the champion meanwhile; the new version is the challenger then.
    """
    config = read_config(config_path)
    target = check_target(out or "report.html", suffixes=(".html",))
    store = find_store(config)
    check_store(store)
    champion, history = _find_champion(config)
    if champion is not None:
        check_question(champion.bundle.config["problem"], describe_config(config)["problem"])
    data = read_data(config, progress, now=now)
    logbook = Logbook(config, store, now=now, needed=True)
    trained = train(config, data, now=now, progress=progress, record=logbook)
    shown = str(out or target.name)
    if trained.bundle is None:
        write_text(render_report(trained.result), target)
        stays = None if champion is None or champion.version is None else champion.version.version
        return RetrainResult(config.name, "refused", None, stays, trained.gate.reasons, shown, None, None)
    compared = None
    if champion is not None:
        challenger = Contender(trained.bundle, None)
        compared = compare_contenders(
            champion, challenger, data, config, now=now, progress=progress, past=trained.past
        )
    with progress.step("register"):
        version = register(trained, config, now=now, access=logbook.id, progress=progress, compared=compared)
    _write(trained, version, compared, target)
    return _decide(version, compared, history, shown, config, now=now, progress=progress)


def _find_champion(config: Config) -> tuple[Contender | None, History]:
    store = find_store(config)
    try:
        history = read_history(store, config.name)
    except VersionError:  # no version was registered yet
        return None, History((), None)
    if history.champion is None:
        return None, history
    return Contender(*load_version(store, config.name, CHAMPION)), history


def _write(trained: Trained, version: Version, compared: CompareResult | None, target: Path) -> None:
    page = render_report(
        trained.result, version=str(version.version), run_id=version.run_id, compared=compared
    )
    write_text(page, target)


def _decide(
    version: Version,
    compared: CompareResult | None,
    history: History,
    report: str,
    config: Config,
    *,
    now: dt.datetime,
    progress: Progress,
) -> RetrainResult:
    number, name = version.version, config.name
    if compared is None:
        first = ("there was no champion yet",)
        return RetrainResult(name, "promoted", number, number, first, report, None, None)
    if not compared.decision.promote:
        reasons = tuple(reason.text for reason in compared.decision.reasons)
        stays = compared.champion.version
        return RetrainResult(name, "kept", number, stays, reasons, report, compared, None)
    why = f"it predicts later leads better than version {compared.champion.version}"
    reason = Reason("promoted", why, compared.evidence)
    change, notified = crown(config, number, history, reason, now=now, progress=progress)
    return RetrainResult(name, "promoted", number, change.version, (why,), report, compared, notified)
