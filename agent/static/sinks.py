"""What becomes of a message: does the function that is given it put it out, or only format it?

Rules of this file
    - *emits*: the function reaches a library function that writes, within `REACH` direct calls. *formats*: it hands
      the message to a formatter of a library and reaches no writing. *unknown*: neither (a table of functions lies
      between, or a formatter of its own).

Complexity: O(call sites within REACH) for each logger.
Source: notes/static-analysis (works on nginx, openvpn, wget; fails on virtual log handlers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from agent.static.code import Code
from agent.static.loggers import Key, Search
from agent.static.seeds import EMITTERS, SEEDS, Logger, Sink

REACH: Final = 4
MAX_REACHED: Final = 400
FORMATTERS: Final = frozenset(name for name, one in SEEDS.items() if one.sink == "formats")


def decide_sinks(found: Search) -> Mapping[Key, Logger]:
    """The loggers, each with its sink."""
    graphs = [_Graph(code) for code in found.codes]
    done: dict[Key, Logger] = {}
    for key, logger in found.loggers.items():
        if key[0] < 0 or str(logger.shown) in SEEDS:
            done[key] = logger
        else:
            done[key] = replace(logger, sink=_sink(found, graphs, key))
    return done


class _Graph:
    """Direct calls of one image, by function."""

    __slots__ = ("code", "first", "order")

    def __init__(self, code: Code) -> None:
        self.code = code
        self.order = np.argsort(code.owners, kind="stable")
        self.first = np.searchsorted(code.owners[self.order], np.arange(len(code.functions) + 1))

    def callees(self, index: int) -> list[int]:
        """What a function calls: addresses of functions, slots of imported symbols."""
        few = self.order[self.first[index] : self.first[index + 1]]
        return list(dict.fromkeys(self.code.targets[few].tolist()))


def _sink(found: Search, graphs: list[_Graph], key: Key) -> Sink:
    """Breadth first over direct calls, across images."""
    layer: list[tuple[int, int]] = [(key[0], int(key[1]))]
    seen = set(layer)
    formats = False
    for _ in range(REACH):
        following: list[tuple[int, int]] = []
        for binary, address in layer:
            graph = graphs[binary]
            index = graph.code.index_at(address)
            for target in graph.callees(index) if index >= 0 else ():
                name = graph.code.name_of(target)
                if name in EMITTERS:
                    return "emits"
                formats |= name in FORMATTERS
                imported = graph.code.image.imports.get(target)
                way = (binary, target) if imported is None else found.foreign.get(imported)
                if way is not None and (way[0], int(way[1])) not in seen and len(seen) < MAX_REACHED:
                    seen.add((way[0], int(way[1])))
                    following.append((way[0], int(way[1])))
        layer = following
    return "formats" if formats else "unknown"
