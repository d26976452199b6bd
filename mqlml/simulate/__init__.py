"""A simulated company with a known truth, for the demo, the tests and the benchmarks."""

from mqlml.simulate.simulation import Simulation, simulate
from mqlml.simulate.truth import Truth

__all__ = ["Simulation", "Truth", "simulate"]
