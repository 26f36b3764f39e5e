"""Strongly connected parts of a graph, sets carried along its edges, and sets as bits of a number.

Rules of this file
    - Nodes are 0..n-1, edges a list of successors for each; nothing recurses, however deep the graph is.
    - Parts come in an order in which what a part leads to stands before it.

Complexity: O(nodes + edges).
Source: Tarjan 1972, with an explicit stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def parts(following: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """The strongly connected parts, those that are led to first.

    >>> list(parts([[1], [0, 2], []]))
    [[2], [1, 0]]
    """
    number = [0] * len(following)
    low = [0] * len(following)
    done = [False] * len(following)
    stack: list[int] = []
    count = 0
    for root in range(len(following)):
        if number[root]:
            continue
        path = [(root, iter(following[root]))]
        count += 1
        number[root] = low[root] = count
        stack.append(root)
        while path:
            node, rest = path[-1]
            for child in rest:
                if not number[child]:
                    count += 1
                    number[child] = low[child] = count
                    stack.append(child)
                    path.append((child, iter(following[child])))
                    break
                if not done[child]:
                    low[node] = min(low[node], number[child])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == number[node]:
                    part: list[int] = []
                    while not part or part[-1] != node:
                        part.append(stack.pop())
                        done[part[-1]] = True
                    yield part


def closed(own: Sequence[int], following: Sequence[Sequence[int]]) -> list[int]:
    """For each node the union of the bit sets of all nodes that it leads to, its own included.

    >>> closed([1, 2, 4], [[1], [0, 2], []])
    [7, 7, 4]
    """
    found = list(own)
    for part in parts(following):
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
