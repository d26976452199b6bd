"""Room 2, what was known: one row of features per snapshot, from nothing recorded at or after its cutoff."""

from mqlml.features.build import build_features, build_flat, match_personas, plan_flat
from mqlml.features.catalogue import FAMILIES, Family, Feature, feature_name
from mqlml.features.checks import check_own
from mqlml.features.families.builder import EventFacts, gather_facts
from mqlml.features.families.functions import FeatureFunction, Known
from mqlml.features.parsers.conditions import match_exclusions
from mqlml.features.plan import FeaturePlan, plan_features

__all__ = [
    "FAMILIES",
    "EventFacts",
    "Family",
    "Feature",
    "FeatureFunction",
    "FeaturePlan",
    "Known",
    "build_features",
    "build_flat",
    "check_own",
    "feature_name",
    "gather_facts",
    "match_exclusions",
    "match_personas",
    "plan_features",
    "plan_flat",
]
