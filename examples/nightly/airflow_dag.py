"""The nightly scores as an Airflow DAG: copy this file to the folder of DAGs of Airflow 3.

mqlml has an environment of its own, which MQLML names. SCORES_URL, the target with its password, is read by mqlml
from the environment of the worker, so that neither Airflow nor the process list shows it.
"""

from __future__ import annotations

import os
import subprocess

import pendulum
from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

MQLML = os.environ.get("MQLML", "/opt/leads/.venv/bin/mqlml")
CONFIG = os.environ.get("MQLML_CONFIG", "/opt/leads/mqlml.yml")
AGAIN = (4, 143)
"""A system failed, or the job was asked to end: the next try resumes with the parts that are finished."""


@dag(
    schedule="30 3 * * *",
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["mqlml"],
)
def mqlml_score() -> None:
    """Score all open leads."""

    @task(retries=2, retry_delay=pendulum.duration(minutes=5))
    def score() -> str:
        """One night; the result of ``mqlml score --json``."""
        night = get_current_context()["logical_date"].date().isoformat()
        command = [MQLML, "score", "--config", CONFIG, "--as-of", night, "--out", "${SCORES_URL}"]
        done = subprocess.run(
            [*command, "--max-change", "0.2", "--wait", "--json", "--log", "json"],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode in AGAIN:
            raise RuntimeError(f"mqlml score ended with {done.returncode}: {done.stdout}")
        if done.returncode:  # another try would meet the same data and the same config
            raise AirflowFailException(f"mqlml score ended with {done.returncode}: {done.stdout}")
        return done.stdout

    score()


mqlml_score()
