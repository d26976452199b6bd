"""Simulated journeys: who the leads are, what they do, how they end, and the true probability that they are won.

The modules follow the story: `world` holds the laws, `population` the leads, `behaviour` what they do and how they
end, `outcome` what the company wrote down, `truth` what could be known, `export` the files a user would bring.
"""

from __future__ import annotations

from mqlml.journeys.simulate.simulation import Simulation, simulate
from mqlml.journeys.simulate.truth import Truth

__all__ = ["Simulation", "Truth", "simulate"]
