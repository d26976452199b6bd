"""The feature families: profile, channel, actions, undesirables, and the user's own."""

from mqlml.features.families.functions import FeatureFunction, Known

__all__ = ["FeatureFunction", "Known"]
