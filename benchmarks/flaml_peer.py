"""The AutoML peer of ``quality.py``, run by a Python of its own environment: see ``benchmarks/README.md``.

Two Parquet files (to learn from, the label in ``label``; to predict) and a budget in seconds go in; a file of
probabilities, one a line, comes out.
"""

import sys
from pathlib import Path

import pandas as pd
from flaml import AutoML

learn, judge, out, seconds = sys.argv[1:]
train, test = pd.read_parquet(learn), pd.read_parquet(judge)
for column in test.columns[test.dtypes.isin(["object", "str", "string"])]:
    # One list of words for both, so that a word seen only later is a missing one and no error.
    words = pd.CategoricalDtype(train[column].dropna().unique())
    known = test[column].where(test[column].isin(words.categories))
    train[column], test[column] = train[column].astype(words), known.astype(words)
automl = AutoML()
automl.fit(
    X_train=train.drop(columns="label"),
    y_train=train["label"].to_numpy(),
    task="classification",
    metric="log_loss",
    time_budget=float(seconds),
    n_jobs=1,
    seed=0,
    verbose=0,
)
print(automl.best_estimator, automl.best_config, file=sys.stderr)
chances = automl.predict_proba(test)[:, 1]
Path(out).write_text("\n".join(repr(float(chance)) for chance in chances))
