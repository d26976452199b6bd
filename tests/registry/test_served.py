"""The logged model as others use it: through MLflow's own loader, over HTTP and in Spark, with pickle forbidden."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.errors import ContractError
from mqlml.registry import Registration, Version, make_store, register_bundle
from mqlml.scoring import SERVED_MODEL, score_features
from mqlml.scoring.batch import REASON_COLUMNS
from tests.conftest import ROOT
from tests.registry.versions import Made, make_version

SCORES = ["probability", "raw_score", "score"]


@pytest.fixture(scope="module")
def made() -> Made:
    return make_version()


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a registered version's logged model."""
    store = make_store("sqlite:///models/mlflow.db", folder=tmp_path_factory.mktemp("served"))
    created = dt.datetime(2025, 6, 24, tzinfo=dt.UTC)
    version: Version = register_bundle(store, make_version().bundle, Registration(created, SERVED_MODEL))
    assert store.artifacts is not None
    return store.artifacts / "models" / version.model_id / "artifacts"


@pytest.fixture(scope="module")
def loaded(model_folder: Path) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        from mlflow.pyfunc import load_model

        yield load_model(str(model_folder))


def test_the_table_gives_the_scores_of_the_bundle(made: Made, loaded: Any) -> None:
    table = made.features.head(40).assign(
        cutoff_time=made.snapshots["cutoff_time"].dt.tz_localize(None).head(40)
    )
    scores = loaded.predict(table)
    raw = made.bundle.scorer.decision_function(made.features.head(40))
    assert (scores["raw_score"] == raw).all()
    assert (scores["probability"] == made.bundle.calibrator.predict_proba(raw)[:, 1]).all()
    assert scores["label"].tolist() == made.bundle.policy.assign_labels(scores["probability"]).tolist()
    assert (scores["cutoff_time"] == table["cutoff_time"]).all()
    points = scores[[name for name in REASON_COLUMNS if name.endswith("_points")]].sum(axis="columns")
    odds = np.log(scores["probability"] / (1 - scores["probability"]))
    assert points.to_numpy() == pytest.approx(odds.to_numpy(), abs=1e-9)


def test_labels_and_reasons_can_be_left_out(made: Made, loaded: Any) -> None:
    table = made.features.head(3)
    assert list(loaded.predict(table)) == [*SCORES, "label", *REASON_COLUMNS]
    assert list(loaded.predict(table, params={"labels": False})) == [*SCORES, *REASON_COLUMNS]
    assert list(loaded.predict(table, params={"labels": False, "reasons": False})) == SCORES


def test_missing_values_and_unknown_categories_pass(made: Made, loaded: Any) -> None:
    table = made.features.head(3).copy()
    for name in table:
        if table[name].dtype == "str":
            table[name] = pd.Series(["never seen", None, None], dtype="str", index=table.index)
        else:
            table[name] = np.float32("nan")
    scores = loaded.predict(table)
    assert (scores["raw_score"] == made.bundle.scorer.decision_function(table)).all()


def test_a_missing_column_is_named(made: Made, loaded: Any) -> None:
    from mlflow.exceptions import MlflowException

    name = made.plan.features[3].name
    with pytest.raises(MlflowException, match=name):
        loaded.predict(made.features.head(3).drop(columns=name))
    with pytest.raises(ContractError, match=rf"missing: '{name}'\. Make it with 'mqlml table'"):
        score_features(made.bundle, made.features.head(3).drop(columns=name))


def test_the_example_in_the_model_is_scored(loaded: Any, model_folder: Path) -> None:
    example = loaded.input_example
    assert len(loaded.predict(example)) == len(example) == 2
    names = [path.name for path in model_folder.rglob("*")]
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".cloudpickle"))]
    assert "mqlml==" in (model_folder / "requirements.txt").read_text()


@pytest.fixture
def endpoint(model_folder: Path, tmp_path: Path) -> Iterator[str]:
    """What ``mlflow models serve`` answers on, on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--model-uri", str(model_folder), "--host", "127.0.0.1", "--port", str(port)]
    options += ["--env-manager", "local", "--workers", "1"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    with (tmp_path / "log.txt").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", "serve", *options],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        for _ in range(720):
            assert process.poll() is None, (tmp_path / "log.txt").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2).close()
                break
            except OSError:
                time.sleep(0.25)
        else:
            raise AssertionError((tmp_path / "log.txt").read_text())
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def post(endpoint: str, body: dict[str, Any]) -> Any:
    data = json.dumps(body).encode()
    request = urllib.request.Request(endpoint, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


@pytest.mark.skipif(sys.platform == "win32", reason="stops the server by its process group")
def test_mlflow_serves_it(endpoint: str, made: Made) -> None:
    table = made.features.head(3)
    rows = table.astype("object").where(table.notna(), None)
    split = {"columns": list(table), "data": rows.to_numpy().tolist()}
    answered = post(endpoint, {"dataframe_split": split, "params": {"reasons": False}})["predictions"]
    assert [list(row) for row in answered] == [[*SCORES, "label"]] * 3
    raw = made.bundle.scorer.decision_function(table)
    assert [row["raw_score"] for row in answered] == raw.tolist()
    split["columns"] = ["renamed", *split["columns"][1:]]
    with pytest.raises(urllib.error.HTTPError) as error:
        post(endpoint, {"dataframe_split": split})
    assert error.value.code == 400
    assert made.plan.features[0].name in error.value.read().decode()


SPARK = """
import sys
import pandas as pd
from mlflow.pyfunc import spark_udf
from pyspark.sql import SparkSession
from pyspark.sql.functions import struct
from pyspark.sql.types import DoubleType, StringType, StructField, StructType

model, source, target = sys.argv[1:]
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
table = pd.read_parquet(source)
kinds = {name: StringType() if table[name].dtype == "str" else DoubleType() for name in table}
rows = [
    tuple(None if pd.isna(value) else value if isinstance(value, str) else float(value) for value in row)
    for row in table.itertuples(index=False)
]
frame = spark.createDataFrame(rows, StructType([StructField(*kind) for kind in kinds.items()])).coalesce(1)
score = spark_udf(spark, model, result_type="raw_score double, label string", env_manager="local")
scored = frame.select(score(struct(*kinds)).alias("scores")).select("scores.*").collect()
pd.DataFrame([row.asDict() for row in scored]).to_json(target, double_precision=15)
"""


def test_spark_gives_the_same_numbers(model_folder: Path, made: Made, tmp_path: Path) -> None:
    pytest.importorskip("pyspark")
    table = made.features.head(20).reset_index(drop=True)
    table.to_parquet(tmp_path / "table.parquet")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": sys.executable,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    arguments = [str(model_folder), "table.parquet", "scores.json"]
    done = subprocess.run(
        [sys.executable, "-c", SPARK, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    scores = pd.read_json(tmp_path / "scores.json", precise_float=True)
    assert scores["raw_score"].to_numpy() == pytest.approx(
        made.bundle.scorer.decision_function(table), abs=1e-12
    )
    assert scores["label"].tolist() == bundle_labels(made, table)


def bundle_labels(made: Made, table: pd.DataFrame) -> list[str]:
    labels: list[str] = score_features(made.bundle, table)["label"].tolist()
    return labels
