"""The first config: what a user's files seem to be, written down for the user to check."""

from mqlml.draft.config import Draft, draft_config

__all__ = ["Draft", "draft_config"]
