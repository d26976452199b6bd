"""Every error a user can cause: one class per cause, with the exit code the command line returns for it.

A message says what must hold, what was found, where, and what to do about it, in one or two lines.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "ConfigError",
    "ContractError",
    "DatabaseError",
    "FeatureError",
    "GateRefused",
    "HeldOutError",
    "LabelChangeRefused",
    "LabelPolicyError",
    "LeakageError",
    "MqlmlError",
    "OutputError",
    "PopulationError",
    "PromotionConflict",
    "QuarantineError",
    "ScorerError",
    "SourceError",
    "StoppedError",
    "TrackingError",
    "UsageError",
    "VersionError",
]


class MqlmlError(Exception):
    """Base of all errors raised on purpose. ``exit_code`` is what the command line returns."""

    exit_code = 1


class UsageError(MqlmlError):
    """An option of a command is missing or cannot be read."""

    exit_code = 2


class ConfigError(MqlmlError):
    """``mqlml.yml`` does not say what it must: a missing or unknown key, a wrong unit, a wrong type."""


class SourceError(MqlmlError):
    """A file or database the config names cannot be read at all."""


class ContractError(MqlmlError):
    """A table was read, but does not keep the contract for leads, events, outcomes or history."""


class QuarantineError(ContractError):
    """More rows than ``data.max_quarantined`` allows could not be used."""


class PopulationError(MqlmlError):
    """The data leaves nobody to learn from or to score: none mature, one class only, too short a history."""


class ScorerError(MqlmlError):
    """A table handed to a model does not have the columns or the values the model can take."""


class LabelPolicyError(MqlmlError):
    """A threshold policy asks for something no threshold reaches; the message names the best reachable value."""


class BundleError(MqlmlError):
    """A saved version cannot be trusted or read: a missing file, a wrong hash, an unexpected type or tree."""


class FeatureError(MqlmlError):
    """A feature of the user's own does not pass the checks that every feature must pass."""


class LeakageError(MqlmlError):
    """A column that is written after the outcome was named as a feature without a reason."""

    exit_code = 3


class GateRefused(MqlmlError):
    """A trained model is not good enough to be registered."""

    exit_code = 3


class HeldOutError(MqlmlError):
    """The held-out period was opened a second time; choices made on it cannot be evaluated on it."""

    exit_code = 3


class OutputError(MqlmlError):
    """A result cannot be written: no permission, no space, no such folder. An earlier result is left whole."""

    exit_code = 4


class DatabaseError(MqlmlError):
    """A database did not do what was asked; ``sqlstate`` is the five letters of its error, where there are any."""

    exit_code = 4

    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class LabelChangeRefused(MqlmlError):
    """More leads would change their label than ``--max-change`` allows."""

    exit_code = 3


class StoppedError(MqlmlError):
    """The system asked the job to end (SIGTERM); what it had finished is kept for the next run."""

    exit_code = 143


class TrackingError(MqlmlError):
    """The MLflow store or server did not do what was asked."""

    exit_code = 4


class VersionError(TrackingError):
    """The store has no such model or version, or none yet; the message names what it has."""

    exit_code = 1


class PromotionConflict(MqlmlError):
    """Someone else changed the champion while this change was decided; theirs stands."""

    exit_code = 3
