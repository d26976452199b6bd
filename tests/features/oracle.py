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
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from mqlml.config import Config
from mqlml.journeys import Journeys

DAY = dt.timedelta(days=1)
NAN = math.nan

HIGH_INTENT = ("Demo request", "demo-request")
DOWNLOADS = ("guide_download",)
PAID = ("ads",)
UNDESIRABLE = ("unsubscribe", "Careers page")
PARTS = {
    "page_view": "page_view",
    "email_click": "email_click",
    "Demo request": "demo_request",
    "demo-request": "demo_request",
    "webinar": "webinar",
    "guide_download": "guide_download",
    "other": "other_2",
    "unsubscribe": "unsubscribe",
    "Careers page": "careers_page",
}
SENIORITY = {"Student": "student", "VP Sales": "vp", "Marketing manager": "manager", "wizard": "other"}
FUNCTION = {"Student": "education", "VP Sales": "sales", "Marketing manager": "marketing", "wizard": "other"}
FLAGS = tuple(
    f"undesirables__{what}__flag" for what in ("free_mail", "disposable_mail", "invalid_mail", "student")
)
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


def _length(text: int) -> str:
    return f"{text // 86_400_000_000}d" if text % 86_400_000_000 == 0 else f"{text // 3_600_000_000}h"


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
        self.learned = learned
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
        self.any_content = any(row["content"] is not None for row in learned)
        features = config.features
        self.on = features.groups
        self.zone = ZoneInfo(config.data.timezone)
        self.high_intent = HIGH_INTENT if features.high_intent is None else tuple(features.high_intent)
        self.downloads = DOWNLOADS if features.downloads is None else tuple(features.downloads)
        self.leads_words = ("lead",) if features.lead_initiated is None else tuple(features.lead_initiated)
        self.paid = {channel for channel in PAID if features.channel_kinds.get(channel) != "organic"}
        self.paid |= {channel for channel, kind in features.channel_kinds.items() if kind == "paid"}
        welcome = [row["action"] for row in learned if row["action"] not in UNDESIRABLE]
        self.any_intent = any(word in self.high_intent for word in welcome)
        self.any_download = any(word in self.downloads for word in welcome)
        self.any_begun = any(row["initiated_by"] in self.leads_words for row in learned)
        self.any_paid = len({row["channel"] in self.paid for row in learned if row["channel"]}) == 2
        if features.pairs is None:
            ranked = _most(welcome, 999)
            goals = [word for word in ranked if word in self.high_intent][:2]
            steps = [word for word in ranked if word not in self.high_intent][:3]
            self.pairs = [(first, then, 1) for then in goals for first in steps]
        else:
            self.pairs = [(pair.first, pair.then, pair.at_least) for pair in features.pairs]
        accounts = [row["account_id"] for row in self.leads.values() if row["created_at"] < end]
        self.any_account = any(number > 1 for account, number in Counter(accounts).items() if account)

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
            if self.on.account and self.any_account:
                out |= self._account(lead, cutoff)
        return out

    @staticmethod
    def _within(
        rows: list[dict[str, Any]], cutoff: dt.datetime, length: dt.timedelta | None
    ) -> list[dict[str, Any]]:
        return [row for row in rows if length is None or row["occurred_at"] >= cutoff - length]

    @staticmethod
    def _since(rows: list[dict[str, Any]], cutoff: dt.datetime) -> float:
        return min(((cutoff - row["occurred_at"]) / DAY for row in rows), default=NAN)

    def _actions(self, known: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        out: dict[str, Any] = {}
        own_events = [row for row in known if row["action"] not in UNDESIRABLE]
        own = {
            part: [r for r in own_events if r["action"] == word]
            for word, part in _number_parts(self.actions).items()
        }
        own["other"] = [row for row in own_events if row["action"] not in self.actions]
        for part, rows in own.items():
            out |= self._one_action(part, rows, cutoff)
        if self.on.decay:
            for half_life in self.config.features.half_lives:
                for part, rows in (*own.items(), ("any", own_events)):
                    ages = [(cutoff - row["occurred_at"]) / dt.timedelta(microseconds=1) for row in rows]
                    faded = math.fsum(2 ** -(age / half_life) for age in ages)
                    out[f"actions__{part}__faded_{_length(half_life)}"] = faded
        out |= self._totals(own_events, cutoff) if self.on.totals else {}
        out |= self._against_usual(own_events, cutoff) if self.on.usual and self.any_value else {}
        out |= self._visits(own_events, cutoff) if self.on.visits else {}
        out |= self._rhythm(own_events, cutoff) if self.on.rhythm else {}
        out |= self._intent(own_events, cutoff)
        return out | (self._pairs(known, cutoff) if self.on.pairs else {})

    def _one_action(self, part: str, rows: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        out: dict[str, Any] = {}
        if self.on.counts:
            out[f"actions__{part}__days_since"] = self._since(rows, cutoff)
        for name, length in self.windows:
            rows_within = self._within(rows, cutoff, length)
            if self.on.counts:
                out[f"actions__{part}__count__{name}"] = len(rows_within)
            if self.on.action_days:
                out[f"actions__{part}__active_days__{name}"] = len(self._dates(rows_within))
            if self.on.action_values and self.any_value:
                total, mean = self._values(rows_within)
                out[f"actions__{part}__value_sum__{name}"] = total
                out[f"actions__{part}__value_mean__{name}"] = mean
        return out

    def _totals(self, own_events: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        out: dict[str, Any] = {"actions__any__days_since": self._since(own_events, cutoff)}
        for name, length in self.windows:
            rows_within = self._within(own_events, cutoff, length)
            out[f"actions__any__count__{name}"] = len(rows_within)
            out[f"actions__any__active_days__{name}"] = len(self._dates(rows_within))
            out[f"actions__any__sessions__{name}"] = len(self._visits_of(rows_within))
            if self.any_value:
                total, mean = self._values(rows_within)
                out[f"actions__value__sum__{name}"] = total
                out[f"actions__value__mean__{name}"] = mean
            if self.any_campaign:
                different = {row["campaign"] for row in rows_within} - {None}
                out[f"actions__campaign__distinct__{name}"] = len(different)
        lately = len(self._within(own_events, cutoff, 7 * DAY))
        before = len(self._within(own_events, cutoff, 14 * DAY)) - lately
        out["actions__any__pace"] = (lately - before) / (lately + before) if lately + before else NAN
        return out

    def _against_usual(self, own_events: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        def slot(row: dict[str, Any]) -> str:
            return row["action"] if row["action"] in self.actions else "other"

        values: dict[str, list[Fraction]] = {}
        for row in self.learned:
            if row["action"] not in UNDESIRABLE and row["value"] is not None:
                values.setdefault(slot(row), []).append(Fraction(str(row["value"])))
        usual = {
            word: Fraction(math.floor(sum(held) / len(held) * 10**6), 10**6) for word, held in values.items()
        }
        usual = {word: mean for word, mean in usual.items() if mean > 0}
        out: dict[str, Any] = {}
        for name, length in self.windows:
            rows_within = self._within(own_events, cutoff, length)
            rows = [row for row in rows_within if row["value"] is not None and slot(row) in usual]
            expected = sum(usual[slot(row)] for row in rows)
            found = sum(Fraction(str(row["value"])) for row in rows)
            out[f"actions__value__against_usual__{name}"] = float(found / expected) if rows else NAN
        return out

    def _dates(self, rows: list[dict[str, Any]]) -> set[dt.date]:
        return {row["occurred_at"].astimezone(self.zone).date() for row in rows}

    @staticmethod
    def _values(rows: list[dict[str, Any]]) -> tuple[float, float]:
        values = [Fraction(str(row["value"])) for row in rows if row["value"] is not None]
        return float(sum(values)), float(sum(values) / len(values)) if values else NAN

    def _visits_of(self, rows: list[dict[str, Any]]) -> list[list[dt.datetime]]:
        """The instants of each visit."""
        gap = dt.timedelta(microseconds=self.config.features.session_gap)
        visits: list[list[dt.datetime]] = []
        for time in sorted(row["occurred_at"] for row in rows):
            if visits and time - visits[-1][-1] <= gap:
                visits[-1].append(time)
            else:
                visits.append([time])
        return visits

    def _visits(self, own_events: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        out: dict[str, Any] = {}
        visits = self._visits_of(own_events)
        for name, length in self.windows:
            first = None if length is None else cutoff - length
            rows_within = [[t for t in visit if first is None or t >= first] for visit in visits]
            out[f"actions__any__return_visits__{name}"] = sum(bool(times) for times in rows_within[1:])
            stayed = sum((times[-1] - times[0] for times in rows_within if times), dt.timedelta())
            minutes = stayed / dt.timedelta(minutes=1)
            if self.config.features.value_unit == "seconds" and self.any_value:
                minutes = self._values(self._within(own_events, cutoff, length))[0] / 60
            out[f"actions__any__time_on_site__{name}"] = minutes
            lengths = [len(times) for times in rows_within if times]
            depth = sum(lengths) / len(lengths) if lengths else NAN
            out[f"actions__any__acts_per_visit__{name}"] = depth
        return out

    def _rhythm(self, own_events: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        times = sorted(row["occurred_at"] for row in own_events)
        began = [visit[0].astimezone(self.zone) for visit in self._visits_of(own_events)]

        def alike(marks: list[int]) -> float:
            drawn = [a == b for i, a in enumerate(marks) for b in marks[:i]]
            return sum(drawn) / len(drawn) if drawn else NAN

        office = [time.weekday() < 5 and 8 <= time.hour < 18 for time in began]
        pauses = [b - a for a, b in zip(times, [*times[1:], cutoff], strict=False)]
        return {
            "actions__any__longest_silence": max(pauses) / DAY if pauses else NAN,
            "actions__any__same_hour": alike([time.hour for time in began]),
            "actions__any__same_weekday": alike([time.weekday() for time in began]),
            "actions__any__office_hours": sum(office) / len(office) if office else NAN,
        }

    def _intent(self, own_events: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        out: dict[str, Any] = {}
        high = [row for row in own_events if row["action"] in self.high_intent]
        initiated = [row for row in own_events if row["initiated_by"] in self.leads_words]
        taken = [row for row in own_events if row["action"] in self.downloads]
        for name, length in self.windows:
            rows_within = self._within(high, cutoff, length)
            if self.on.intent and self.any_intent:
                out[f"actions__high_intent__count__{name}"] = len(rows_within)
                out[f"actions__high_intent__distinct__{name}"] = len({row["action"] for row in rows_within})
            if self.on.proactive and self.any_begun:
                out[f"actions__lead_initiated__count__{name}"] = len(self._within(initiated, cutoff, length))
            if self.on.content and self.any_content:
                contents = {row["content"] for row in self._within(own_events, cutoff, length)} - {None}
                out[f"actions__content__distinct__{name}"] = len(contents)
            if self.on.content and self.any_download:
                out[f"actions__download__count__{name}"] = len(self._within(taken, cutoff, length))
        if self.on.intent and self.any_intent:
            out["actions__high_intent__days_since"] = self._since(high, cutoff)
        if self.on.proactive and self.any_begun:
            out["actions__lead_initiated__days_since"] = self._since(initiated, cutoff)
            name, length = self.windows[-1]
            every, own = (len(self._within(rows, cutoff, length)) for rows in (own_events, initiated))
            out[f"actions__lead_initiated__share__{name}"] = own / every if every else NAN
        if self.on.content and self.any_download:
            out["actions__download__days_since"] = self._since(taken, cutoff)
        return out

    def _pairs(self, known: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        out: dict[str, Any] = {}
        words = dict.fromkeys([*self.actions, *(word for pair in self.pairs for word in pair[:2])])
        parts = _number_parts(list(words))
        for first, then, at_least in self.pairs:
            steps = [row["occurred_at"] for row in known if row["action"] == first]
            goals = [
                row
                for row in known
                if row["action"] == then and sum(time < row["occurred_at"] for time in steps) >= at_least
            ]
            name = f"after_{at_least}_{parts[first]}"
            out[f"actions__{parts[then]}__count_{name}"] = len(goals)
            out[f"actions__{parts[then]}__days_since_{name}"] = self._since(goals, cutoff)
        return out

    def _account(self, lead: Any, cutoff: dt.datetime) -> dict[str, Any]:
        own = self.leads[lead]
        account = own["account_id"] if own["created_at"] <= cutoff else None
        others = [
            other
            for other, row in self.leads.items()
            if other != lead and account and row["account_id"] == account and row["created_at"] < cutoff
        ]
        own_events = {
            other: [row for row in self.known(other, cutoff) if row["action"] not in UNDESIRABLE]
            for other in others
        }
        every = [row for rows in own_events.values() for row in rows]
        high = [row for row in every if row["action"] in self.high_intent]
        out: dict[str, Any] = {
            "actions__colleagues__created": len(others),
            "actions__colleagues__days_since": self._since(every, cutoff),
            "actions__colleagues__days_since_high_intent": self._since(high, cutoff),
        }
        for name, length in self.windows:
            out[f"actions__colleagues__count__{name}"] = len(self._within(every, cutoff, length))
            out[f"actions__colleagues__high_intent__{name}"] = len(self._within(high, cutoff, length))
            active = [other for other, rows in own_events.items() if self._within(rows, cutoff, length)]
            out[f"actions__colleagues__active__{name}"] = len(active)
        return out

    def _slot(self, channel: str | None) -> str:
        if channel in self.channels:
            assert channel is not None
            return channel
        return "missing" if channel in (None, "missing") and self.missing_channel else "other"

    def _channel(self, known: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        out: dict[str, Any] = {}
        if self.on.touches:
            out["channel__first_touch__value"] = self._slot(known[0]["channel"]) if known else None
            out["channel__last_touch__value"] = self._slot(known[-1]["channel"]) if known else None
        paid = [row for row in known if row["channel"] in self.paid]
        for name, length in self.windows:
            rows_within = self._within(known, cutoff, length)
            for slot in [*self.channels, "other", *(["missing"] if self.missing_channel else [])]:
                if self.on.channels:
                    count = sum(self._slot(row["channel"]) == slot for row in rows_within)
                    out[f"channel__{slot}__count__{name}"] = count
                    out[f"channel__{slot}__share__{name}"] = count / len(rows_within) if rows_within else NAN
            if self.on.touches:
                out[f"channel__any__distinct__{name}"] = len({row["channel"] for row in rows_within} - {None})
            if self.on.switches:
                named = [row["channel"] for row in rows_within if row["channel"] is not None]
                switches = sum(a != b for a, b in pairwise(named))
                out[f"channel__any__switches__{name}"] = switches
            if self.on.paid and self.any_paid:
                count = len(self._within(paid, cutoff, length))
                out[f"channel__paid__count__{name}"] = count
                out[f"channel__paid__share__{name}"] = count / len(rows_within) if rows_within else NAN
        if self.on.paid and self.any_paid:
            out["channel__paid__days_since"] = self._since(paid, cutoff)
            out["channel__paid__first_touch"] = float(known[0]["channel"] in self.paid) if known else NAN
        if self.on.breadth:
            out |= self._breadth(known, cutoff)
        return out

    def _breadth(self, known: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        micros = self.config.features.initiative_period
        name, period = _length(micros), dt.timedelta(microseconds=micros)
        campaign = {id(row): row["campaign"] if self.any_campaign else None for row in known}
        touched = [
            (row["occurred_at"], ("campaign", campaign[id(row)]) if campaign[id(row)] else row["channel"])
            for row in known
            if campaign[id(row)] or row["channel"] is not None
        ]
        most = max(
            (len({what for at, what in touched if time - period < at <= time}) for time, _ in touched),
            default=0,
        )
        lately = {what for at, what in touched if at >= cutoff - period}
        return {
            f"channel__initiatives__distinct__{name}": len(lately),
            f"channel__initiatives__most_in_{name}": most,
        }

    def _undesirables(self, known: list[dict[str, Any]], cutoff: dt.datetime) -> dict[str, Any]:
        out: dict[str, Any] = {"undesirables__silence__days": self._since(known, cutoff)}
        if self.bad:
            bad = [row for row in known if row["action"] in UNDESIRABLE]
            own = {PARTS[word]: [row for row in bad if row["action"] == word] for word in self.bad}
            for part, rows in {**own, "any": bad}.items():
                out[f"undesirables__{part}__days_since"] = self._since(rows, cutoff)
                for name, length in self.windows:
                    out[f"undesirables__{part}__count__{name}"] = len(self._within(rows, cutoff, length))
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
        out |= dict.fromkeys(FLAGS, NAN)
        out |= {"undesirables__profile__count": NAN, "undesirables__profile__days_since": NAN}
        held = 0
        for field in self.config.profile.history:
            value = None if row["created_at"] > cutoff else self._as_of(lead, field, cutoff)
            out[f"profile__{field}__as_of"] = NAN if value is None else float(value)
            held += value is not None
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
        out["profile__lead__completeness"] = (len(given) + held) / (
            len(attributes) + len(self.config.profile.history)
        )
        out["profile__lead__age"] = (cutoff - row["created_at"]) / DAY
        out["undesirables__free_mail__flag"] = NAN if kind == "missing" else float(kind == "free")
        out["undesirables__disposable_mail__flag"] = NAN if kind == "missing" else 0.0
        out["undesirables__invalid_mail__flag"] = float(kind == "missing") if row["email"] else NAN
        out["undesirables__student__flag"] = float(title == "Student") if title else NAN
        return out

    def traits(self, flags: dict[str, Any], lead: Any, cutoff: dt.datetime) -> dict[str, Any]:
        """How many of the flags that a table has are up, and since when: all these attributes are static."""
        created = self.leads[lead]["created_at"]
        if created > cutoff:
            return {}
        up = sum(value == 1 for value in flags.values())
        return {
            "undesirables__profile__count": up,
            "undesirables__profile__days_since": (cutoff - created) / DAY if up else NAN,
        }

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
