"""What columns, files and stages are usually called in the exports of CRMs and marketing tools."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mqlml.config import Stage
from mqlml.texts import normalize_name

__all__ = [
    "EVENT_FILES",
    "LEAD_FILES",
    "OUTCOME_FILES",
    "USUAL",
    "find_stage",
    "sounds_like_close",
    "sounds_like_id",
    "sounds_like_open",
    "sounds_like_outcome",
    "sounds_like_person",
    "sounds_like_time",
    "usual_place",
]

USUAL: Mapping[str, Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "leads": {
            "lead_id": (
                "leadid", "contactid", "recordid", "personid", "prospectid", "customerid", "userid", "visitorid",
                "mqlid", "id", "objectid", "leadnumber", "prospectnumber", "contact", "lead", "vid", "email",
                "emailaddress",
            ),
            "created_at": (
                "createdat", "createdate", "created", "createddate", "createdon", "creationdate", "creationtime",
                "datecreated", "leadcreated", "leadcreatedat", "personcreated", "addtime", "signupdate", "signupat",
                "signedupat", "registeredat", "registrationdate", "firstcontactdate", "firstcontact", "firstseen",
                "firstseenat", "entrydate", "inquirydate", "date",
            ),
            "account_id": (
                "accountid", "associatedcompanyidsprimary", "primaryassociatedcompanyid", "associatedcompanyid",
                "associatedcompanyids", "companyid", "orgid", "organizationid", "organisationid",
                "primaryassociatedcompany", "associatedcompany", "account", "accountname", "company", "companyname",
                "organization", "organisation", "org", "parentcustomer",
            ),
        },
        "events": {
            "occurred_at": (
                "occurredat", "eventtime", "eventdate", "eventtimestamp", "timestamp", "activitydate", "activitytime",
                "activityat", "completeddatetime", "ts", "datetime", "happenedat", "visitedat", "sentat",
                "receivedat", "starttime", "startedat", "createdat", "createdate", "createddate", "createdon", "date",
                "time", "day",
            ),
            "action": (
                "action", "event", "eventname", "eventtype", "activity", "activitytype", "engagementtype", "tasktype",
                "tasksubtype", "interaction", "interactiontype", "touchpoint", "type", "name", "kind", "status",
            ),
            "channel": ("channel", "source", "utmsource", "trafficsource", "originalsource", "medium", "utmmedium"),
            "campaign": ("campaign", "utmcampaign", "campaignname", "campaignid"),
            "content": ("content", "utmcontent", "page", "pageurl", "url", "asset", "formname", "emailname"),
            "value": ("value", "duration", "durationseconds", "seconds", "timespent"),
            "initiated_by": ("initiatedby",),
            "recorded_at": ("recordedat", "loadedat", "ingestedat", "syncedat", "insertedat"),
            "event_id": ("eventid", "activityid", "messageid"),
            "user_agent": ("useragent", "contextuseragent"),
        },
        "outcomes": {
            "stage": (
                "stage", "dealstage", "stagename", "opportunitystage", "pipelinestage", "outcome", "status",
                "dealstatus", "result", "iswon", "isclosedwon", "won", "lifecyclestage",
            ),
            "occurred_at": (
                "occurredat", "closedate", "closedat", "closedon", "closeddate", "actualclosedate", "closetime",
                "wondate", "wonat", "wontime", "stagechangedat", "stagedate", "changedat", "changedate", "orderdate",
                "purchasedat", "purchasedate", "date", "time", "timestamp",
            ),
            "amount": (
                "amount", "actualrevenue", "dealvalue", "dealamount", "value", "revenue", "total", "price", "arr",
                "mrr",
            ),
            "reason": ("lostreason", "closedlostreason", "lossreason", "reason"),
            "recorded_at": ("recordedat", "loadedat", "ingestedat", "syncedat", "insertedat"),
        },
        "history": {
            "field": ("field", "fieldname", "property", "propertyname"),
            "value": ("value", "newvalue", "new"),
            "valid_from": ("validfrom", "changedat", "changedate", "createddate", "createdat", "timestamp", "date"),
            "valid_to": ("validto",),
        },
        "spend": {
            "source": ("source", "channel", "utmsource", "campaign", "platform"),
            "day": ("day", "date", "week", "month"),
            "cost": ("cost", "costs", "spend", "amountspent", "adspend"),
        },
        "flat": {
            "label": ("converted", "isconverted", "label", "target", "outcome", "won", "conversion", "purchased"),
        },
    }
)  # fmt: skip
"""Usual names of the columns of each table, the likeliest first, in lower case and without anything between words."""

LEAD_FILES = ("lead", "mql", "prospect", "contact", "person", "people", "signup", "user", "customer")
EVENT_FILES = (
    "event", "activit", "touch", "visit", "session", "engagement", "interaction", "click", "campaignmember", "task",
    "email", "page", "log",
)  # fmt: skip
OUTCOME_FILES = (
    "deal", "opportunit", "outcome", "order", "sale", "purchase", "won", "conversion", "stage", "charge", "invoice",
    "payment", "subscription",
)  # fmt: skip
"""Parts of the names of files; of those for leads, the likeliest first."""

_TIME_WORDS = frozenset(
    {"date", "time", "datetime", "timestamp", "ts", "at", "on", "day", "created", "closed", "when", "since"}
)
_GLUED_TIME = re.compile(r"(date|time|timestamp)$")
_PERSON_WORDS = frozenset(
    {"lead", "leads", "contact", "contacts", "person", "prospect", "customer", "user", "visitor", "who", "mql"}
)  # fmt: skip
_ID_WORDS = frozenset(
    {"id", "ids", "key", "email", "mail", "number", "no", "nr", "guid", "uuid", "vid", "opportunity", "deal"}
    | _PERSON_WORDS
)  # fmt: skip


def usual_place(table: str, ours: str, name: str) -> int | None:
    """How far down the list of usual names a column's name stands; None if it does not.

    >>> usual_place("leads", "lead_id", "Record ID"), usual_place("leads", "lead_id", "Country")
    (2, None)
    """
    bare = normalize_name(name).replace("_", "")
    names = USUAL[table][ours]
    return names.index(bare) if bare in names else None


def sounds_like_time(name: str) -> bool:
    """Whether a column is called like one of times.

    >>> [sounds_like_time(name) for name in ("Create Date", "closedate", "ts", "Annual Revenue")]
    [True, True, True, False]
    """
    words = normalize_name(name).split("_")
    return not _TIME_WORDS.isdisjoint(words) or any(_GLUED_TIME.search(word) for word in words)


def sounds_like_id(name: str) -> bool:
    """Whether a column is called like one of ids.

    >>> [sounds_like_id(name) for name in ("Associated Contact IDs", "leadid", "Employees")]
    [True, True, False]
    """
    words = normalize_name(name).split("_")
    return not _ID_WORDS.isdisjoint(words) or words[-1].endswith("id")


def sounds_like_person(name: str) -> bool:
    """Whether a column is called like the ids of people.

    >>> [sounds_like_person(name) for name in ("Associated Contact IDs", "WhoId", "Deal ID")]
    [True, True, False]
    """
    return not _PERSON_WORDS.isdisjoint(normalize_name(name).split("_"))


_STAGES: Mapping[Stage, str] = MappingProxyType(
    {
        "disqualified": r"disqualif|unqualified|not qualified|junk|spam|bad fit|not a fit|invalid|do not contact",
        "closed_lost": r"lost\b|lose\b|dead\b|no sale|abandon|churn|verloren|perdu|perdid",
        "closed_won": r"won\b|win\b|customer|signed|purchase|paid\b|order|bought|succeeded|gewonnen|gagn|ganad",
        "mql": r"mql|marketing qualified",
        "sql": r"sql|sales qualified|sales accepted|sal\b",
        "opportunity": (
            r"opportunit|proposal|proposition|negotiat|quote|demo|meeting|appointment|presentation|contract|decision|evaluation|"
            r"deal|value proposition|needs analysis|perception|verbal"
        ),
    }
)
"""Words that stand for our stages; the first line that fits wins, so "unqualified" is no qualified lead."""


def find_stage(word: str) -> Stage | None:
    """Which of our stages a CRM's word for a stage means, as far as can be told.

    >>> [find_stage(word) for word in ("Closed Won", "closedlost", "Became a Customer Date", "Qualification")]
    ['closed_won', 'closed_lost', 'closed_won', None]
    """
    text = normalize_name(word).replace("_", " ")
    text = re.sub(r"\bclosed(?=won|lost)", "closed ", text)
    return next((stage for stage, words in _STAGES.items() if re.search(rf"\b({words})", text)), None)


_OTHER_DATES = frozenset({"last", "first", "next", "expected", "recent", "planned", "estimated", "due"})
_OPEN = r"(open|new|working|in progress|pending|nurtur|attempt|contacted|prospect|qualif|connected|assigned)"


def sounds_like_outcome(name: str) -> bool:
    """Whether a column of dates is called like one on which a stage was reached, not one that is only planned.

    >>> [sounds_like_outcome(name) for name in ("Became a Customer Date", "Won at", "Create Date", "Last Order")]
    [True, True, False, False]
    """
    return find_stage(name) is not None and _OTHER_DATES.isdisjoint(normalize_name(name).split("_"))


def sounds_like_close(name: str) -> bool:
    """Whether a column of dates is called like one on which a deal ended, or is planned to end while it is open.

    >>> [sounds_like_close(name) for name in ("CloseDate", "Order date", "Stage entered")]
    [True, True, False]
    """
    planned = not _OTHER_DATES.isdisjoint(normalize_name(name).split("_"))
    return not planned and any(part in name.lower() for part in ("clos", "won", "order", "purchase"))


def sounds_like_open(word: str) -> bool:
    """Whether a stage is one of those before a deal has become likely, of which mqlml has none.

    >>> [sounds_like_open(word) for word in ("Open", "Prospecting", "Sent to legal")]
    [True, True, False]
    """
    return re.match(_OPEN, normalize_name(word).replace("_", " ")) is not None
