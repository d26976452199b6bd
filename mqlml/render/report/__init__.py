"""The self-contained HTML report of a version, from its stored result."""

from mqlml.render.report.page import render_report
from mqlml.render.report.text import describe_policy, describe_question, format_leak_test

__all__ = ["describe_policy", "describe_question", "format_leak_test", "render_report"]
