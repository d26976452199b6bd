"""A Sankey diagram as SVG text: columns of nodes, joined by ribbons as thick as what flows between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

from mqlml.render.report.svg import WIDTH, coord, draw_bar, draw_chart, draw_text

__all__ = ["Link", "Node", "draw_sankey"]

_TOP = 26.0
_BAR = 5.0
_LINE = 12.0
"""Units from one line of a label to the next."""
_TALL = 170.0
"""Units of a whole."""
_LETTERS = 11
"""Letters of a label's line: as many as fit into a fifth of the chart."""


@dataclass(frozen=True)
class Node:
    """A node: its column from 0, its name, what stands below the name, and its share of the whole."""

    column: int
    name: str
    below: str
    share: float
    plain: bool = False


@dataclass(frozen=True)
class Link:
    """What flows from one node to one of the next column, by their places, as a share of the whole."""

    source: int
    target: int
    share: float


@dataclass(frozen=True)
class _Placed:
    x: float
    top: float
    height: float
    label: float
    lines: tuple[str, ...]


def draw_sankey(
    nodes: Sequence[Node], links: Sequence[Link], *, heads: Sequence[str], key: str, title: str, desc: str
) -> str:
    """Columns from left to right, the nodes of a column from top to bottom as they come.

    A node that is too small for its label gets the room of the label, so that labels never meet.
    """
    wide = (WIDTH - 4) / max(len(heads), 1)
    placed: list[_Placed] = []
    ends = [_TOP] * len(heads)
    for node in nodes:
        lines = (*_wrap(node.name), node.below)
        height = max(node.share * _TALL, 1.0)
        room = max(height, _LINE * len(lines)) + 8
        top = ends[node.column]
        placed.append(
            _Placed(2 + node.column * wide, top + (room - height) / 2, height, top + room / 2, lines)
        )
        ends[node.column] = top + room
    parts = [draw_text(2 + column * wide, 12, head, anchor="start") for column, head in enumerate(heads)]
    leaving, coming = [one.top for one in placed], [one.top for one in placed]
    for link in sorted(links, key=lambda one: (one.source, one.target)):
        parts.append(_ribbon(placed, link, leaving, coming))
    for node, one in zip(nodes, placed, strict=True):
        tone = "node plain" if node.plain else "node"
        parts.append(draw_bar(one.x, one.top, _BAR, one.height, tone))
    for node, one in zip(nodes, placed, strict=True):
        first = one.label - _LINE * (len(one.lines) - 1) / 2 + 4
        label = "".join(
            draw_text(
                one.x + _BAR + 3,
                first + number * _LINE,
                line,
                anchor="start",
                tone="of-node" if number < len(one.lines) - 1 else "of-node share",
            )
            for number, line in enumerate(one.lines)
        )
        parts.append(f"<g><title>{escape(node.name)}</title>{label}</g>")
    return draw_chart(key, max(ends, default=_TOP) + 4, title, desc, parts)


def _ribbon(placed: Sequence[_Placed], link: Link, leaving: list[float], coming: list[float]) -> str:
    """The path of a flow; ribbons leave and reach a node one below the other."""
    source, target, thick = placed[link.source], placed[link.target], link.share * _TALL
    y1, y2 = leaving[link.source], coming[link.target]
    leaving[link.source] += thick
    coming[link.target] += thick
    x1, x2 = source.x + _BAR, target.x
    middle = coord((x1 + x2) / 2)
    return (
        f'<path class="ribbon" d="M{coord(x1)},{coord(y1)} C{middle},{coord(y1)} {middle},{coord(y2)} {coord(x2)},'
        f"{coord(y2)} L{coord(x2)},{coord(y2 + thick)} C{middle},{coord(y2 + thick)} {middle},{coord(y1 + thick)} "
        f'{coord(x1)},{coord(y1 + thick)} Z"/>'
    )


def _wrap(name: str) -> tuple[str, ...]:
    """A name on at most two lines, cut where it is too long.

    >>> _wrap("demo"), _wrap("product_page_visit"), _wrap("internationalization")
    (('demo',), ('product_', 'page_visit'), ('internatio…',))
    """
    if len(name) <= _LETTERS:
        return (name,)
    pieces = re.findall(r"[^\s_/-]*[\s_/-]?", name)
    first = ""
    for piece in pieces:
        if len((first + piece).rstrip()) > _LETTERS:
            break
        first += piece
    rest = name[len(first) :]
    if not first:
        return (f"{name[: _LETTERS - 1]}…",)
    return first.rstrip(), rest if len(rest) <= _LETTERS else f"{rest[: _LETTERS - 1]}…"
