"""The slow reference: every default feature of every snapshot by a plain loop over that lead's rows.

Written from the definitions in DESIGN, without a line of `mqlml.features`: no sorting shared with it, no edges,
no running totals. Instants are `datetime`, sums are exact fractions.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pandas as pd

from mqlml.config import Config
from mqlml.journeys import Journeys

DAY = dt.timedelta(days=1)
NAN = math.nan

UNDESIRABLE = ("unsubscribe", "Careers page")
PARTS = {
    "page_view": "page_view",
    "email_click": "email_click",
    "Demo request": "demo_request",
    "demo-request": "demo_request",
    "webinar": "webinar",
    "unsubscribe": "unsubscribe",
    "Careers page": "careers_page",
}
SENIORITY = {"Student": "student", "VP Sales": "vp", "Marketing manager": "manager", "wizard": "other"}
FUNCTION = {"Student": "education", "VP Sales": "sales", "Marketing manager": "marketing", "wizard": "other"}
MAIL = {"a@gmail.com": "free", "b@acme.example": "corporate", "c@Yahoo.co.uk": "free"}


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for record in table.to_dict("records"):
        row = {}
        for key, value in record.items():
            if isinstance(value, pd.Timestamp):
                value = value.to_pydatetime()
            row[key] = None if value is pd.NaT or (isinstance(value, float) and math.isnan(value)) else value
        rows.append(row)
    return rows


def _windows(config: Config) -> list[tuple[str, dt.timedelta | None]]:
    return [
        ("all", None)
        if window == "all"
        else (f"{window // 86_400_000_000}d", dt.timedelta(microseconds=window))
        for window in config.windows
        if window == "all" or isinstance(window, int)
    ]


def _most(words: Sequence[str], number: int) -> list[str]:
    ranked = sorted(Counter(words).items(), key=lambda item: (-item[1], item[0]))
    return [word for word, _ in ranked][:number]


def _number_parts(words: Sequence[str]) -> dict[str, str]:
    """The part of each word's name; the second that comes to the same part is number 2."""
    parts: dict[str, str] = {}
    for word in words:
        part = PARTS[word]
        parts[word] = f"{part}_2" if part in parts.values() else part
    return parts


class Oracle:
    """What a plan would learn from all rows known before ``before``, and the features of any snapshot."""

    def __init__(self, journeys: Journeys, config: Config, before: dt.datetime | None) -> None:
        self.config = config
        self.windows = _windows(config)
        self.leads = {row["lead_id"]: row for row in _rows(journeys.leads)}
        self.events = _rows(journeys.events)
        self.history = _rows(journeys.history)
        end = before or dt.datetime.max.replace(tzinfo=dt.UTC)
        learned = [row for row in self.events if row["occurred_at"] < end and row["recorded_at"] < end]
        good = [row["action"] for row in learned if row["action"] not in (*UNDESIRABLE, "other")]
        self.actions = _most(good, config.features.max_actions)
        self.bad = _most(
            [r["action"] for r in learned if r["action"] in UNDESIRABLE], config.features.max_actions
        )
        named = [row["channel"] for row in learned if row["channel"] not in (None, "missing")]
        self.channels = _most(named, config.features.max_channels)
        self.any_events = bool(learned)
        self.any_channel = any(row["channel"] is not None for row in learned)
        self.missing_channel = any(row["channel"] in (None, "missing") for row in learned)
        self.any_value = any(row["value"] is not None for row in learned)
        self.any_campaign = any(row["campaign"] is not None for row in learned)

    def known(self, lead: Any, cutoff: dt.datetime) -> list[dict[str, Any]]:
        """The lead's events that count, earliest first."""
        rows = [
            row
            for row in self.events
            if row["lead_id"] == lead and row["occurred_at"] < cutoff and row["recorded_at"] < cutoff
        ]

        def place(row: dict[str, Any]) -> tuple[Any, ...]:
            return (
                row["occurred_at"],
                max(row["recorded_at"], row["occurred_at"]),
                row["action"],
                (row["channel"] is not None, row["channel"] or ""),
            )

        return sorted(rows, key=place)

    def features(self, lead: Any, cutoff: dt.datetime) -> dict[str, Any]:
        """Every event feature by name; the profile's are `profile`."""
        known = self.known(lead, cutoff)
        out: dict[str, Any] = {}
        if self.any_events:
            out |= self._channel(known, cutoff) if self.any_channel else {}
            out |= self._actions(known, cutoff)
            out |= self._undesirables(known, cutoff)
        return out

    @staticmethod
    def _inside(
        rows: list[dict[str, Any]], cutoff: dt.datetime, length: dt.timedelta | None
    ) -> list[dict[str, Any]]:
        return [row for row in rows if length is None or row["occurred_at"] >= cutoff - length]

    @staticmethod
    def _since(rows: list[dict[str, Any]], cutoff: dt.datetime) -> float:
        return min(((cutoff - row["occurred_at"]) / DAY for row in rows), default=NAN)

    def _actions(self, known: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        out: dict[str, Any] = {}
        acts = [row for row in known if row["action"] not in UNDESIRABLE]
        own = {
            part: [r for r in acts if r["action"] == word]
            for word, part in _number_parts(self.actions).items()
        }
        own["other"] = [row for row in acts if row["action"] not in self.actions]
        for part, rows in own.items():
            out[f"actions__{part}__days_since"] = self._since(rows, cutoff)
            for name, length in self.windows:
                out[f"actions__{part}__count__{name}"] = len(self._inside(rows, cutoff, length))
        out["actions__any__days_since"] = self._since(acts, cutoff)
        for name, length in self.windows:
            inside = self._inside(acts, cutoff, length)
            out[f"actions__any__count__{name}"] = len(inside)
            out[f"actions__any__active_days__{name}"] = len({row["occurred_at"].date() for row in inside})
            out[f"actions__any__sessions__{name}"] = self._sessions(inside)
            if self.any_value:
                values = [Fraction(str(row["value"])) for row in inside if row["value"] is not None]
                out[f"actions__value__sum__{name}"] = float(sum(values))
                out[f"actions__value__mean__{name}"] = float(sum(values) / len(values)) if values else NAN
            if self.any_campaign:
                different = {row["campaign"] for row in inside} - {None}
                out[f"actions__campaign__distinct__{name}"] = len(different)
        lately = len(self._inside(acts, cutoff, 7 * DAY))
        before = len(self._inside(acts, cutoff, 14 * DAY)) - lately
        out["actions__any__pace"] = (lately - before) / (lately + before) if lately + before else NAN
        return out

    def _sessions(self, rows: list[dict[str, Any]]) -> int:
        gap = dt.timedelta(microseconds=self.config.features.session_gap)
        times = sorted(row["occurred_at"] for row in rows)
        return sum(i == 0 or times[i] - times[i - 1] > gap for i in range(len(times)))

    def _slot(self, channel: str | None) -> str:
        if channel in self.channels:
            assert channel is not None
            return channel
        return "missing" if channel in (None, "missing") and self.missing_channel else "other"

    def _channel(self, known: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        out: dict[str, Any] = {
            "channel__first_touch__value": self._slot(known[0]["channel"]) if known else None,
            "channel__last_touch__value": self._slot(known[-1]["channel"]) if known else None,
        }
        for name, length in self.windows:
            inside = self._inside(known, cutoff, length)
            for slot in [*self.channels, "other", *(["missing"] if self.missing_channel else [])]:
                count = sum(self._slot(row["channel"]) == slot for row in inside)
                out[f"channel__{slot}__count__{name}"] = count
                out[f"channel__{slot}__share__{name}"] = count / len(inside) if inside else NAN
            out[f"channel__any__distinct__{name}"] = len({row["channel"] for row in inside} - {None})
        return out

    def _undesirables(self, known: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        out: dict[str, Any] = {"undesirables__silence__days": self._since(known, cutoff)}
        if self.bad:
            bad = [row for row in known if row["action"] in UNDESIRABLE]
            own = {PARTS[word]: [row for row in bad if row["action"] == word] for word in self.bad}
            for part, rows in {**own, "any": bad}.items():
                out[f"undesirables__{part}__days_since"] = self._since(rows, cutoff)
                for name, length in self.windows:
                    out[f"undesirables__{part}__count__{name}"] = len(self._inside(rows, cutoff, length))
        return out

    def profile(self, lead: Any, cutoff: dt.datetime) -> dict[str, Any]:
        """The profile's features, and the flags among the undesirables, had every attribute been kept."""
        row = self.leads[lead]
        names = (
            "country__value",
            "size__value",
            "mail_domain__kind",
            "job_title__seniority",
            "job_title__function",
        )
        out: dict[str, Any] = dict.fromkeys(f"profile__{name}" for name in names)
        out |= {"profile__lead__completeness": NAN, "profile__lead__age": NAN, "profile__size__value": NAN}
        out |= {"undesirables__free_mail__flag": NAN, "undesirables__student__flag": NAN}
        for field in self.config.profile.history:
            value = None if row["created_at"] > cutoff else self._as_of(lead, field, cutoff)
            out[f"profile__{field}__as_of"] = NAN if value is None else float(value)
        if row["created_at"] > cutoff:
            return out
        attributes = {key: row[key] for key in ("country", "size", "email", "job_title")}
        given = {key: value for key, value in attributes.items() if value is not None and str(value).strip()}
        title = str(given.get("job_title", "")).strip()
        kind = MAIL.get(str(row["email"]), "missing")
        out["profile__country__value"] = given.get("country")
        out["profile__email__value"] = given.get("email")  # kept only where no row holds an address
        out["profile__size__value"] = given.get("size", NAN)
        out["profile__mail_domain__kind"] = kind
        out["profile__job_title__seniority"] = SENIORITY[title] if title else "missing"
        out["profile__job_title__function"] = FUNCTION[title] if title else "missing"
        out["profile__job_title__value"] = title or None
        out["profile__lead__completeness"] = len(given) / len(attributes)
        out["profile__lead__age"] = (cutoff - row["created_at"]) / DAY
        out["undesirables__free_mail__flag"] = NAN if kind == "missing" else float(kind == "free")
        out["undesirables__student__flag"] = float(title == "Student") if title else NAN
        return out

    def _as_of(self, lead: Any, field: str, cutoff: dt.datetime) -> str | None:
        held = [
            row
            for row in self.history
            if row["lead_id"] == lead
            and row["field"] == field
            and row["valid_from"] < cutoff
            and row["recorded_at"] < cutoff
            and (row["valid_to"] is None or row["valid_to"] >= cutoff)
        ]
        latest = max(
            held,
            key=lambda row: (row["valid_from"], max(row["valid_from"], row["recorded_at"]), row["value"]),
            default=None,
        )
        return None if latest is None else str(latest["value"])
