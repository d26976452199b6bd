"""The self-contained HTML report of a version, from its stored result."""

from mqlml.render.report.page import render_report
from mqlml.render.report.text import policy_in_words, proof_in_words, question_in_words

__all__ = ["policy_in_words", "proof_in_words", "question_in_words", "render_report"]
