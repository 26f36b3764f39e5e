"""drain3 on lines of one system, in a process of its own: what it groups, what it takes, whether order matters to it.

Rules of this file
    - In: a JSON object `{"lines", "orders", "parts", "grid"}` on standard input; out: one on standard output. Run with
      the interpreter that has drain3, which need not be ours.
    - Lines' groups are clusters, which keep their number when their template changes: what suits drain3 best.
    - The masks are those of drain3's own example (`drain3.ini`), for addresses, hexadecimal and other numbers.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from drain3 import TemplateMiner  # type: ignore[import-not-found,unused-ignore]
from drain3.masking import MaskingInstruction  # type: ignore[import-not-found,unused-ignore]
from drain3.template_miner_config import TemplateMinerConfig  # type: ignore[import-not-found,unused-ignore]

_BEFORE, _BEHIND = r"((?<=[^A-Za-z0-9])|^)", r"((?=[^A-Za-z0-9])|$)"
MASKS = {
    "IP": rf"{_BEFORE}(\d{{1,3}}\.\d{{1,3}}\.\d{{1,3}}\.\d{{1,3}}){_BEHIND}",
    "SEQ": rf"{_BEFORE}([0-9a-f]{{6,}} ?){{3,}}{_BEHIND}",
    "HEX": rf"{_BEFORE}(0x[a-f0-9A-F]+){_BEHIND}",
    "NUM": rf"{_BEFORE}([\-\+]?\d+){_BEHIND}",
}


def miner(similarity: float = 0.4, depth: int = 4, masked: bool = True) -> Any:
    config = TemplateMinerConfig()
    config.drain_sim_th, config.drain_depth = similarity, depth
    if masked:
        config.masking_instructions = [MaskingInstruction(pattern, name) for name, pattern in MASKS.items()]
    return TemplateMiner(config=config)


def groups(lines: list[str], one: Any) -> list[int]:
    return [one.add_log_message(line)["cluster_id"] for line in lines]


def templates(one: Any) -> dict[int, str]:
    return {cluster.cluster_id: cluster.get_template() for cluster in one.drain.clusters}


def main() -> None:
    job = json.load(sys.stdin)
    lines = job["lines"]
    first = miner()
    start = time.process_time()
    found = groups(lines, first)
    new = time.process_time()
    groups(lines, first)
    again = time.process_time()
    known = templates(first)
    orders = []
    for order in job["orders"]:
        other = miner()
        groups([lines[i] for i in order], other)
        orders.append(sorted(templates(other).values()))
    parts = []
    for k in range(job["parts"]):
        other = miner()
        groups(lines[k :: job["parts"]], other)
        parts.append(sorted(templates(other).values()))
    grid = [[*setting, groups(lines, miner(*setting))] for setting in job["grid"]]
    answer = {"groups": found, "templates": [known[one] for one in found], "new": new - start, "again": again - new}
    json.dump({**answer, "orders": orders, "parts": parts, "grid": grid}, sys.stdout)


if __name__ == "__main__":
    main()
