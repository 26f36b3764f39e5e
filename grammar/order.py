"""Sets carried along the edges of a graph, and sets as bits of a number.

Rules of this file
    - Nodes are 0..n-1, edges a list of successors for each; nothing recurses, however deep the graph is.

Complexity: O(nodes + edges).
Source: transitive closure by components (Tarjan 1972).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grammar.components import strong_components


def closed(own: Sequence[int], following: Sequence[Sequence[int]]) -> list[int]:
    """For each node the union of the bit sets of all nodes that it leads to, its own included.

    >>> closed([1, 2, 4], [[1], [0, 2], []])
    [7, 7, 4]
    """
    found = list(own)
    for part in strong_components(following):
        mask = 0
        for node in part:
            mask |= own[node]
            for child in following[node]:
                mask |= found[child]
        for node in part:
            found[node] = mask
    return found


def bits(mask: int) -> Iterator[int]:
    """The positions of the bits that are set, from the lowest.

    >>> list(bits(0b1010))
    [1, 3]
    """
    for at, byte in enumerate(mask.to_bytes((mask.bit_length() + 7) // 8, "little")):
        if byte:
            yield from (8 * at + bit for bit in range(8) if byte >> bit & 1)
