"""What reasons cost: a million leads predicted, then with points and sentences, in CPU seconds of one process.

The table is that of a simulated company's features, drawn to the size asked for; bare prediction and prediction with
reasons take turns on the same rows, and the ratio is that of one turn. The exact Shapley values are then set beside
those of the shap package and of woodelf-explainer, and beside a leaf-path attribution, on the same trees and rows.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from numba import njit

from mqlml.config import make_config
from mqlml.model import LeadScorer, SigmoidCalibrator, contribute_in_parts
from mqlml.model.shapley import TreeShapley
from mqlml.scoring.explain import explain_scores
from mqlml.simulate import simulate
from mqlml.training import build_table
from mqlml.types import Floats

SCORERS = {
    "default": {},  # 60 trees of 8 leaves
    "blend": {"tree_weight": 0.5, "linear_weight": 0.5},  # with the logistic part
    "large": {"n_trees": 200, "max_leaf_nodes": 31},
}
PART = 250_000
MILLION = 1_000_000


def cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def learn(leads: int):  # type: ignore[no-untyped-def]
    """The training table of a simulated company."""
    config = make_config(
        {
            "name": "bench",
            "data": {
                "observed_until": "2025-06-24",
                "leads": {"path": "leads.csv"},
                "outcomes": {"path": "outcomes.csv"},
            },
            "problem": {"horizon": "60d", "snapshots": {"ages": ["0d", "7d", "30d"]}},
        },
        folder=Path(),
    )
    return build_table(simulate(leads, random_state=1).journeys(), config)


def draw(features: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """Rows drawn with replacement, their fractions varied, so that leads do not share their sentences."""
    rng = np.random.default_rng(seed)
    table = features.iloc[rng.integers(0, len(features), rows)].reset_index(drop=True)
    for name in features.columns[features.dtypes == "float32"]:
        held = table[name].to_numpy()
        fractions = held != np.round(held)
        table[name] = np.where(fractions, held * rng.uniform(0.5, 1.5, rows), held).astype(np.float32)
    return table


@njit
def leaf_path(matrix, nodes_of, left, right, feature, threshold, missing_left, leaf, mean, out):  # type: ignore[no-untyped-def]
    """Saabas' attribution: each split credits its column with the change of the mean."""
    for row in range(matrix.shape[0]):
        for root in nodes_of:
            at = root
            while not leaf[at]:
                held = matrix[row, feature[at]]
                goes_left = missing_left[at] if np.isnan(held) else held <= threshold[at]
                child = root + (left[at] if goes_left else right[at])
                out[row, feature[at]] += mean[child] - mean[at]
                at = child


def leaf_path_arrays(trees):  # type: ignore[no-untyped-def]
    """All trees' nodes in one array, and the mean of the training rows below each."""
    grown = [predictor.nodes for (predictor,) in trees._predictors]
    nodes = np.concatenate(grown)
    roots = np.cumsum([0, *map(len, grown)])[:-1]
    means = []
    for tree in grown:
        mean = tree["value"].copy()
        for at in range(len(tree) - 1, -1, -1):  # children stand behind their parents
            if not tree[at]["is_leaf"]:
                left, right = tree[at]["left"], tree[at]["right"]
                share = tree[left]["count"] / tree[at]["count"]
                mean[at] = share * mean[left] + (1 - share) * mean[right]
        means.append(mean)
    return (
        roots,
        nodes["left"].astype(np.int64),
        nodes["right"].astype(np.int64),
        nodes["feature_idx"].astype(np.int64),
        nodes["num_threshold"].astype(np.float64),
        nodes["missing_go_to_left"] == 1,
        nodes["is_leaf"] == 1,
        np.concatenate(means),
    )


def measure_scores(table, scorers, rows: int, repeats: int) -> None:  # type: ignore[no-untyped-def]
    print(f"\n{len(table.plan.features)} features, {rows:,} leads; CPU seconds of {repeats} turns (median)\n")
    print("| model | bare prediction | contributions alone | with points and sentences | ratio, each turn |")
    print("|---|---|---|---|---|")
    parts = max(1, rows // PART)
    for name, scorer in scorers.items():
        raw = scorer.decision_function(table.features)
        bundle = SimpleNamespace(
            scorer=scorer, plan=table.plan, calibrator=SigmoidCalibrator().fit(raw, table.label)
        )
        explain_scores(bundle, table.features.iloc[:1000])
        bare, alone, whole = (np.zeros(repeats) for _ in range(3))
        for part in range(parts):
            leads = draw(table.features, rows // parts, seed=part)
            for turn in range(repeats):
                bare[turn] += cpu(lambda: scorer.decision_function(leads))  # noqa: B023 (called at once)
                alone[turn] += cpu(lambda: [None for _ in contribute_in_parts(scorer, leads)])  # noqa: B023
                whole[turn] += cpu(lambda: explain_scores(bundle, leads))  # noqa: B023
        whole += bare  # scoring predicts and explains
        ratios = ", ".join(f"{ratio:.2f}" for ratio in whole / bare)
        shown = [f"{statistics.median(seconds):.1f}" for seconds in (bare, alone, whole)]
        print(f"| {name} | {' | '.join(shown)} | {ratios} |")


def measure_peers(table, scorer, rows: int) -> None:  # type: ignore[no-untyped-def]
    """Seconds per million rows on the encoded matrix, and how far each is from mqlml's exact values."""
    (matrix, *_) = scorer.encode_in_parts(draw(table.features, rows, seed=99))
    own = TreeShapley(scorer.trees_)
    own.values(matrix[:10])
    exact: list[Floats] = []
    bare = cpu(lambda: scorer.predict_matrix(matrix)) / len(matrix) * MILLION
    spent = cpu(lambda: exact.append(TreeShapley(scorer.trees_).values(matrix))) / len(matrix) * MILLION
    target = scorer.trees_.decision_function(matrix)

    def line(name: str, seconds: float, values: Floats, base: float) -> None:
        some = exact[0][: len(values)]
        top = np.mean(np.abs(values).argmax(axis=1) == np.abs(some).argmax(axis=1))
        off = np.abs(base + values.sum(axis=1) - target[: len(values)]).max()
        far = np.abs(values - some).max()
        print(f"| {name} | {seconds:.1f} | {seconds / bare:.1f} | {off:.0e} | {far:.0e} | {top:.0%} |")

    print(
        "| values | CPU s a million | to a bare prediction | sum off by | from exact by | same top column |"
    )
    print("|---|---|---|---|---|---|")
    print(f"| (bare prediction of the matrix) | {bare:.1f} | 1 | | | |")
    line("mqlml, exact", spent, exact[0], own.expected)

    arrays, out = leaf_path_arrays(scorer.trees_), np.zeros(matrix.shape)
    rowwise = np.ascontiguousarray(matrix)
    leaf_path(rowwise[:10], *arrays, np.zeros((10, matrix.shape[1])))
    seconds = cpu(lambda: leaf_path(rowwise, *arrays, out)) / len(matrix) * MILLION
    line("leaf path", seconds, out, own.expected)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap
        from woodelf import WoodelfExplainer

        found: list[Floats] = []
        frame = pd.DataFrame(matrix)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            seconds = cpu(
                lambda: found.append(np.asarray(WoodelfExplainer(scorer.trees_).shap_values(frame)))
            )
        line("woodelf-explainer", seconds / len(matrix) * MILLION, found[0], own.expected)
        few = matrix[:2_000]
        seconds = cpu(lambda: found.append(shap.TreeExplainer(scorer.trees_).shap_values(few)))
        line("shap", seconds / len(few) * MILLION, found[1], own.expected)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=MILLION)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--leads", type=int, default=6_000, help="simulated leads to learn from")
    parser.add_argument("--models", nargs="+", choices=list(SCORERS), default=list(SCORERS))
    parser.add_argument("--peer-rows", type=int, default=50_000, help="0 leaves the peers out")
    asked = parser.parse_args()
    table = learn(asked.leads)
    scorers = {name: LeadScorer(**SCORERS[name]).fit(table.features, table.label) for name in asked.models}
    measure_scores(table, scorers, asked.rows, asked.repeats)
    for name in (name for name in ("default", "large") if name in scorers and asked.peer_rows):
        print(f"\n{name}, {asked.peer_rows:,} rows\n")
        measure_peers(table, scorers[name], asked.peer_rows)


if __name__ == "__main__":
    main()
