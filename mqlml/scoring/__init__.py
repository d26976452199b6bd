"""Room 8, who is next: a version and the company's rules label every open lead; sinks write the scores."""

from mqlml.scoring.batch import SCORE_COLUMNS, count_older, problem_of, score, score_flat
from mqlml.scoring.earlier import read_open_leads, read_scores
from mqlml.scoring.explain import SERVED_MODEL, score_features
from mqlml.scoring.labels import DISQUALIFIED
from mqlml.scoring.sinks import (
    TABLE_SUFFIXES,
    check_folder,
    check_target,
    make_folder,
    replace_file,
    replace_folder,
    write_batches,
    write_table,
    write_text,
)

__all__ = [
    "DISQUALIFIED",
    "SCORE_COLUMNS",
    "SERVED_MODEL",
    "TABLE_SUFFIXES",
    "check_folder",
    "check_target",
    "count_older",
    "make_folder",
    "problem_of",
    "read_open_leads",
    "read_scores",
    "replace_file",
    "replace_folder",
    "score",
    "score_features",
    "score_flat",
    "write_batches",
    "write_table",
    "write_text",
]
