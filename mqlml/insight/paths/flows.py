"""The first steps of leads one after the other, as flows from step to step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mqlml.insight.paths.sequences import Sequences
from mqlml.results import Result
from mqlml.types import Ints, Mask

__all__ = ["Flow", "StepFlows", "StepNode", "count_flows"]


@dataclass(frozen=True)
class StepNode(Result):
    """A step at one place of the journey."""

    place: int
    """The place, 1 for the first step."""
    kind: Literal["step", "other"]
    """One step, or all rarer ones at this place together."""
    step: str
    """The step's name; empty for the rarer ones together."""
    won: int
    """Won leads that have it there."""
    others: int
    """Other leads that have it there."""


@dataclass(frozen=True)
class Flow(Result):
    """Leads that go from one node to one at the next place."""

    source: int
    """Where in ``nodes`` the first one is."""
    target: int
    """Where in ``nodes`` the next one is."""
    won: int
    """Won leads that go so."""
    others: int
    """Other leads that go so."""


@dataclass(frozen=True)
class StepFlows(Result):
    """The first steps of won leads and of the others."""

    won: int
    """Won leads."""
    others: int
    """Other leads."""
    nodes: tuple[StepNode, ...]
    """By place, most won leads first, rarer steps together last."""
    flows: tuple[Flow, ...]
    """Between nodes, at least one lead each. A lead without a further step leaves no node."""


def count_flows(sequences: Sequences, won: Mask, *, places: int = 5, shown: int = 4) -> StepFlows:
    """Count leads by their first ``places`` steps; at each place the ``shown`` steps of most won leads stand alone.

    Parameters
    ----------
    sequences : Sequences
    won : bool array of shape (n_leads,)
    places : int
    shown : int
    """
    length, start, names = sequences.length, sequences.start[:-1], sequences.names
    nodes: list[StepNode] = []
    flows: list[Flow] = []
    before: Ints = np.full(len(won), -1)
    for place in range(places):
        here = np.flatnonzero(length > place)
        code = sequences.step[start[here] + place]
        wins = np.bincount(code[won[here]], minlength=len(names))
        every = np.bincount(code, minlength=len(names))
        ranked = np.lexsort((np.arange(len(names)), -every, -wins))
        ranked = ranked[every[ranked] > 0]
        alone = ranked if len(ranked) == shown + 1 else ranked[:shown]
        node_of = np.full(len(names), len(nodes) + len(alone))
        node_of[alone] = len(nodes) + np.arange(len(alone))
        now: Ints = np.full(len(won), -1)
        now[here] = node_of[code]
        nodes += [
            StepNode(place + 1, "step", names[one], int(wins[one]), int(every[one] - wins[one]))
            for one in alone.tolist()
        ]
        rest = ranked[len(alone) :]
        if len(rest):
            n_won, n = int(wins[rest].sum()), int(every[rest].sum())
            nodes.append(StepNode(place + 1, "other", "", n_won, n - n_won))
        going = (before >= 0) & (now >= 0)
        if going.any():
            pair, which = np.unique(before[going] * len(nodes) + now[going], return_inverse=True)
            all_of = np.bincount(which)
            won_of = np.bincount(which, weights=won[going]).astype(np.int64)
            flows += [
                Flow(int(one // len(nodes)), int(one % len(nodes)), int(w), int(a - w))
                for one, w, a in zip(pair, won_of, all_of, strict=True)
            ]
        before = now
    return StepFlows(int(won.sum()), int((~won).sum()), tuple(nodes), tuple(flows))
