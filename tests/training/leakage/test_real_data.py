"""Real data: every leak that is known of the five sets is found, and nothing else is suspected.

The sets are read as wide as they come, with every column a candidate, not as the examples choose them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mqlml.config import Config, make_config
from mqlml.journeys import read_flat, read_journeys
from mqlml.training import Finding, build_table
from mqlml.training.table import choose_rows, learn_plan
from tests.conftest import ROOT


def config_of(name: str, real_data: Path, **leads: Any) -> Config:
    """An example's config, with other leads where told and all their columns as candidates."""
    text = (ROOT / "examples" / f"{name}.yml").read_text(encoding="utf-8")
    values = yaml.safe_load(text.replace("${MQLML_REAL_DATA:-../../shared/data}", str(real_data)))
    if leads:
        values["data"]["leads"] = leads
    values.setdefault("profile", {})["static"] = "auto"
    return make_config(values, folder=ROOT)


def audit(config: Config) -> dict[str, Finding]:
    if config.data.flat is not None:
        return {found.column: found for found in build_table(read_flat(config), config).leaks}
    journeys = read_journeys(config)
    return {found.column: found for found in learn_plan(journeys, config, choose_rows(journeys, config))[1]}


def refused(findings: dict[str, Finding]) -> set[str]:
    return {column for column, found in findings.items() if found.action == "refused"}


DEALS = {
    *("seller_id", "sdr_id", "sr_id", "won_date", "business_segment", "lead_type", "lead_behaviour_profile"),
    *("has_company", "has_gtin", "average_stock", "business_type", "declared_product_catalog_size"),
    "declared_monthly_revenue",
}
"""Every column of Olist's deals table but the lead's id. Six of them are filled in for under 70 leads."""


def test_olist_every_column_of_the_deals_joined_to_the_leads(real_data: Path) -> None:
    folder = real_data / "olist"
    sql = (
        f"select l.*, d.* exclude (mql_id) from '{folder}/olist_marketing_qualified_leads_dataset.csv' l "
        f"left join '{folder}/olist_closed_deals_dataset.csv' d using (mql_id)"
    )
    columns = {"lead_id": "mql_id", "created_at": "first_contact_date"}
    findings = audit(config_of("olist", real_data, sql=sql, columns=columns))
    assert set(findings) == refused(findings) == DEALS
    gaps = next(clue for clue in findings["has_company"].evidence if clue.check == "missingness")
    assert gaps.figures["filled_of_others"] == 0
    assert findings["won_date"].severity == "certain"


def test_relax_the_last_session(real_data: Path) -> None:
    findings = audit(config_of("relax", real_data))
    assert set(findings) == refused(findings) == {"last_session_creation_time"}
    time = next(clue for clue in findings["last_session_creation_time"].evidence if clue.check == "time")
    assert 0.2 < time.figures["share_after_cutoff"] < 0.4  # type: ignore[operator]


def test_codecademy_the_pages_that_are_the_purchase(real_data: Path) -> None:
    findings = audit(config_of("codecademy", real_data))
    assert {column: found.action for column, found in findings.items()} == {
        "2 - shopping_cart": "noted",
        "3 - checkout": "noted",
        "4 - purchase": "refused",
    }
    with_it = next(clue for clue in findings["4 - purchase"].evidence if clue.check == "with_conversion")
    assert (with_it.figures["with_it"], with_it.figures["rows"]) == (361, 361)
    close = next(clue for clue in findings["3 - checkout"].evidence if clue.check == "before_conversion")
    assert close.figures["won_close"] == close.figures["won_before"] == 338


def test_dbt_crm_what_the_opportunities_say(real_data: Path) -> None:
    folder = real_data / "dbt_crm"
    sql = (
        "select l.*, o.closed_at, o.is_closed, o.is_won, o.id as oid "
        f"from read_csv('{folder}/leads.csv', all_varchar=true) l "
        f"left join read_csv('{folder}/contacts.csv', all_varchar=true) c on c.lead_id = l.id "
        f"left join read_csv('{folder}/opportunities.csv', all_varchar=true) o using (account_id)"
    )
    findings = audit(config_of("dbt_crm", real_data, sql=sql, columns={"lead_id": "id"}))
    assert set(findings) == refused(findings) == {"converted_at", "closed_at", "is_closed", "is_won", "oid"}


def test_xeducation_what_sales_writes_afterwards(real_data: Path) -> None:
    findings = audit(config_of("xeducation", real_data))
    assert (
        set(findings)
        == refused(findings)
        == {
            *("Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity"),
            *(
                f"Asymmetrique {kind} {what}"
                for kind in ("Activity", "Profile")
                for what in ("Index", "Score")
            ),
        }
    )
    alone = next(clue for clue in findings["Tags"].evidence if clue.check == "univariate")
    assert alone.figures["auc_low"] > 0.87  # type: ignore[operator]
    assert findings["Tags"].severity == "certain"


def test_the_proof_holds_on_real_journeys(real_data: Path) -> None:
    config = config_of("relax", real_data)
    leak_test = build_table(read_journeys(config), config).leak_test
    assert leak_test is not None
    assert (leak_test.snapshots, leak_test.moved) == (300, ())
    assert leak_test.changed + leak_test.removed > 5000
