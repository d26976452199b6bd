"""Room 7, which version: saves and loads bundles, and keeps them in an MLflow store."""

from mqlml.registry.bundle import (
    Bundle,
    find_git_commit,
    fingerprint_tables,
    library_versions,
    load_bundle,
    make_reference,
    save_bundle,
)
from mqlml.registry.holdout_log import (
    HoldoutAccess,
    digest_settings,
    make_holdout_access,
    record_holdout_access,
    same_period,
)
from mqlml.registry.promotions import (
    ChampionChange,
    History,
    change_champion,
    find_rollback,
    read_history,
)
from mqlml.registry.register import Registration, register_bundle
from mqlml.registry.store import Store, make_store
from mqlml.registry.tracking import (
    CHALLENGER,
    CHAMPION,
    Version,
    check_store,
    fetch_bundle,
    find_version,
    list_versions,
    load_version,
    log_metrics,
)

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "Bundle",
    "ChampionChange",
    "History",
    "HoldoutAccess",
    "Registration",
    "Store",
    "Version",
    "change_champion",
    "check_store",
    "digest_settings",
    "fetch_bundle",
    "find_git_commit",
    "find_rollback",
    "find_version",
    "fingerprint_tables",
    "library_versions",
    "list_versions",
    "load_bundle",
    "load_version",
    "log_metrics",
    "make_holdout_access",
    "make_reference",
    "make_store",
    "read_history",
    "record_holdout_access",
    "register_bundle",
    "same_period",
    "save_bundle",
]
