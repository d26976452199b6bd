"""``report``: write the page about a version."""

from __future__ import annotations

from pathlib import Path

from mqlml.commands.inputs import load_model
from mqlml.config import read_config
from mqlml.progress import Progress
from mqlml.render import render_report
from mqlml.render.results import ReportResult
from mqlml.scoring import check_target, write_text

__all__ = ["write_report"]


def write_report(
    config_path: str | Path, out: str | Path, *, model: str | None = None, progress: Progress
) -> ReportResult:
    """Write the page about the champion, or about the version named."""
    config = read_config(config_path)
    target = check_target(out, suffixes=(".html",))
    with progress.step("load"):
        bundle, version = load_model(config, model)
    page = render_report(bundle.result, version=str(version.version), run_id=version.run_id)
    with progress.step("write"):
        write_text(page, target)
    return ReportResult(out=str(out), model=bundle.name, version=version.version, run_id=version.run_id)
