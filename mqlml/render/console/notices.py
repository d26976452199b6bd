"""Say what was changed or found while the tables were read."""

from __future__ import annotations

from mqlml.journeys.notices import Notice

__all__ = ["format_notice"]


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def format_notice(notice: Notice) -> str:
    """One notice as a sentence or two: what happened, how often, and the setting that changes it."""
    rows, leads = _count(notice.rows, "row", "rows"), _count(notice.leads, "lead", "leads")
    events = _count(notice.rows, "event", "events")
    words = ", ".join(map(repr, notice.examples))
    examples = f", for example {words}" if words else ""
    if notice.kind == "spellings":
        where = f"{notice.table}.{notice.column}"
        return f"Joined spellings that differ only in case or spacing in {where}: {rows}{examples}."
    if notice.kind == "machine_events":
        return (
            f"Left out {events} of {leads} that machines made (bursts within seconds, mail scanners){examples}. To "
            "keep them, write journeys: {bots: keep}."
        )
    if notice.kind == "machine_events_flagged":
        return f"Flagged {events} of {leads} that machines made as machine_event{examples}."
    if notice.kind == "merged":
        return f"Merged {leads} into others: from the merge on, the lead that stays has both journeys."
    if notice.kind == "excluded":
        return f"Left out {leads} by rules.exclude: {', '.join(notice.examples)}."
    return f"Ignored {rows} of {notice.table} whose {notice.column} is no outcome{examples}."
