"""What MLflow shows of a version: figures that stand alone, and a description that any result has."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from mqlml.evaluation import TrainingResult
from mqlml.render.tracked import describe_model, describe_version, render_figures
from tests.render.report_samples import empty, flat, normal, refused, tiny

SAMPLES = {"normal": normal, "empty": empty, "refused": refused, "flat": flat, "tiny": tiny}


@pytest.fixture(params=SAMPLES.values(), ids=SAMPLES)
def result(request: pytest.FixtureRequest) -> TrainingResult:
    found: TrainingResult = request.param()
    return found


def test_figures_are_whole_svg_files_with_their_own_colors(result: TrainingResult) -> None:
    figures = render_figures(result)
    assert {"figures/calibration.svg", "figures/deciles.svg"} <= set(figures)
    for svg in figures.values():
        root = ElementTree.fromstring(svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("width") == "720"
        assert root.get("viewBox", "").startswith("-8 -8 ")
        assert "var(--" not in svg
        assert ".tick" in svg


def test_the_most_important_signals_have_a_bar_each() -> None:
    result = normal()
    assert result.importance is not None
    svg = render_figures(result)["figures/signals.svg"]
    first = result.importance.features[0]
    assert svg.count('<rect class="bar ') == min(
        15, sum(r.drop.value > 0 for r in result.importance.features)
    )
    assert f'<rect class="bar {first.family}" x="340" y="34" width="150.00"' in svg


def test_a_version_is_described_in_sentences_and_five_figures(result: TrainingResult) -> None:
    text = describe_version(result)
    sentences, figures, last = text.split("\n\n")
    assert sentences.startswith(f"Predicts: {result.question.sentence}. Trained on ")
    assert len(figures.splitlines()) == 5
    assert all(line.startswith("- ") for line in figures.splitlines())
    assert "`report.html`" in last
    assert "nan" not in text.lower().split()
    assert describe_model(result).startswith("Gives every open lead a calibrated probability")
