"""What MLflow's pages show of a version: a description in a few sentences and figures as SVG files."""

from __future__ import annotations

import re
from importlib.resources import files

from markupsafe import escape

from mqlml.evaluation import TrainingResult
from mqlml.render.report.charts import calibration_chart, decile_chart
from mqlml.texts import format_label, format_number, format_percent, join_texts, pluralize

__all__ = ["describe_model", "describe_version", "render_figures"]

_STYLED = re.compile(
    r"^(?:svg )?\.(?:tick|axis|value|note|grid|guide|base|whisker|point|column|bar)\b.*$", re.M
)
_VARIABLE = re.compile(r"^\s+--([a-z-]+): (#[0-9a-f]+);", re.M)
_VIEW_BOX = re.compile(r'viewBox="0 0 (\d+) (\d+)"')
_SIGNALS = 15
_ROW = 22


def describe_model(result: TrainingResult) -> str:
    """What the registered model is for, in Markdown."""
    labels = join_texts([format_label(label) for label in result.labels])
    return (
        f"Gives every open lead a calibrated probability of this: {result.question.sentence}. "
        f"Its thresholds turn the probability into the labels {labels}. "
        "The alias `champion` is the version that scores; `challenger` is the newest other one."
    )


def describe_version(result: TrainingResult) -> str:
    """Three sentences and five figures of one version, in Markdown."""
    holdout = result.holdout
    learned = pluralize(result.population.snapshots, "snapshot")
    converted = pluralize(result.population.positives, "conversion")
    verdict = "passed" if result.gate.passed else "did not pass"
    cautions = pluralize(len(result.gate.warnings), "caution")
    thresholds = [
        f"{format_label(label)} {format_percent(found.threshold)}" for label, found in result.labels.items()
    ]
    figures = {
        "Of two leads, it picks the better one": format_percent(holdout.roc_auc.value),
        "The best tenth converts, compared with all": f"{format_number(holdout.lift_top_decile.value, 1)} times",
        "Log loss": format_number(holdout.log_loss.value, 4),
        "Brier score, and that of the base rate": (
            f"{format_number(holdout.brier.value, 4)}, {format_number(holdout.brier_base_rate, 4)}"
        ),
        "Thresholds": ", ".join(thresholds) or "none",
    }
    # A list, since MLflow's pages set the columns of a table without any space between them.
    rows = "\n".join(f"- {name}: **{figure}**" for name, figure in figures.items())
    return (
        f"Predicts: {result.question.sentence}. Trained on {learned} with {converted}. "
        f"Tested on {pluralize(holdout.n, 'later snapshot')}, from {holdout.start[:10]} until {holdout.until[:10]}: "
        f"it {verdict} the gate, with {cautions}.\n\n"
        f"{rows}\n\n"
        "The whole report is the artifact `report.html`, with the run and with the model."
    )


def render_figures(result: TrainingResult) -> dict[str, str]:
    """Calibration, deciles and signals as SVG files, by their path among a run's artifacts."""
    charts = {
        "calibration": calibration_chart(result.calibration.bands),
        "deciles": decile_chart(result.deciles, result.holdout.positives / max(result.holdout.n, 1)),
        "signals": _signals_chart(result),
    }
    return {f"figures/{name}.svg": _stand_alone(svg) for name, svg in charts.items() if svg}


def _stand_alone(svg: str) -> str:
    """The chart with the page's style in it, since a file of its own has no page around it."""
    css = files("mqlml.render.report").joinpath("page.css").read_text(encoding="utf-8")
    colors = dict(reversed(_VARIABLE.findall(css)))  # the first block is that of the light page
    style = re.sub(r"var\(--([a-z-]+)\)", lambda found: colors[found[1]], "\n".join(_STYLED.findall(css)))
    frame = f"<style>svg {{ font-family: sans-serif; background: #fff; padding: 12px; }}\n{style}</style>"
    with_margin = _VIEW_BOX.sub(
        lambda found: f'viewBox="-8 -8 {int(found[1]) + 16} {int(found[2]) + 16}" width="720"', svg, count=1
    )
    return with_margin.replace(">", f">{frame}", 1)


def _signals_chart(result: TrainingResult) -> str:
    """A bar for each of the most important features; empty if none was measured."""
    if result.importance is None:
        return ""
    rows = [row for row in result.importance.features if row.drop.value > 0][:_SIGNALS]
    if not rows:
        return ""
    largest = rows[0].drop.value
    parts = []
    for place, row in enumerate(rows):
        y = 34 + place * _ROW
        width = 150 * row.drop.value / largest
        parts.append(f'<text class="tick" x="0" y="{y + 12}">{escape(row.sentence or row.name)}</text>')
        parts.append(f'<rect class="bar {row.family}" x="340" y="{y}" width="{width:.2f}" height="15"/>')
        parts.append(
            f'<text class="value" x="{346 + width:.2f}" y="{y + 12}">{format_number(row.drop.value, 4)}</text>'
        )
    height = 40 + len(rows) * _ROW
    title = "How much worse predictions get without each signal (log loss)"
    return (
        f'<svg class="chart" viewBox="0 0 560 {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f'<title>{title}</title><text class="axis" x="0" y="16">{title}</text>{"".join(parts)}</svg>'
    )
