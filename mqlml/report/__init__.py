"""What people read: the result of a training in, one self-contained HTML page out."""

from mqlml.report.page import render_report
from mqlml.report.words import policy_in_words, proof_in_words, question_in_words

__all__ = ["policy_in_words", "proof_in_words", "question_in_words", "render_report"]
