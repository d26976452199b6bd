"""Write a simulated company's export as it is some weeks after its first version was trained.

    python examples/later_weeks.py watched --weeks 0
    python examples/later_weeks.py watched --weeks 5 --broken signal

The first call makes the folder with the config of ``mqlml demo``; later ones replace the export and move
``observed_until`` along. From the fifth week on, ``signal`` records no page views any more, and ``conversions`` loses
every second sale of the leads that come in.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from mqlml.commands.demo import DEMO_CONFIG
from mqlml.simulate import simulate
from mqlml.simulate.simulation import Simulation

TRAINED = dt.datetime(2025, 6, 24, tzinfo=dt.UTC)
BREAK = TRAINED + dt.timedelta(weeks=4)
LONGEST = 30


def break_company(world: Simulation, broken: str) -> Simulation:
    """The same company with what goes wrong in the fifth week."""
    events, outcomes = world.events, world.outcomes
    if broken == "signal":
        kept = (events["action"] != "page_view") | (events["occurred_at"] < BREAK)
        return replace(world, events=events[kept].reset_index(drop=True))
    if broken == "conversions":
        created = outcomes["lead_id"].map(world.leads.set_index("lead_id")["created_at"])
        sale = (outcomes["stage"] == "closed_won") & (created >= BREAK)
        lost = sale & (np.random.default_rng(0).random(len(outcomes)) < 0.5)
        return replace(world, outcomes=outcomes[~lost].reset_index(drop=True))
    return world


def write_export(folder: Path, *, weeks: int, broken: str, leads: int) -> dt.date:
    """Write what the company knows some weeks after the training; the day."""
    until = TRAINED + dt.timedelta(weeks=weeks)
    world = break_company(simulate(leads, random_state=7, days=540 + 7 * LONGEST), broken)
    known = replace(
        world,
        leads=world.leads[world.leads["created_at"] < until].reset_index(drop=True),
        events=world.events[world.events["recorded_at"] < until].reset_index(drop=True),
        outcomes=world.outcomes[world.outcomes["recorded_at"] < until].reset_index(drop=True),
    )
    known.write(folder / "data")
    config = folder / "mqlml.yml"
    text = config.read_text() if config.exists() else DEMO_CONFIG.format(observed_until="-")
    config.write_text(re.sub(r"observed_until: \S+", f"observed_until: {until:%Y-%m-%d}", text))
    return until.date()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weeks", type=int, default=0, choices=range(LONGEST + 1), metavar="N")
    parser.add_argument("--broken", choices=("nothing", "signal", "conversions"), default="nothing")
    parser.add_argument("--leads", type=int, default=5600, help="in the whole time of 107 weeks")
    asked = parser.parse_args()
    write_export(asked.folder, weeks=asked.weeks, broken=asked.broken, leads=asked.leads)


if __name__ == "__main__":
    main()
