"""What must not happen: a subset of Cypher over provenance graphs, and the policies written in it.

Rules of this package
    - Workers and the monitor evaluate the same code on the same small interface (`PolicyGraph`), so their answers
      agree.
    - No I/O: texts and graphs come in as arguments; `winnower.policy_command` reads the files.
    - A policy's text is trusted no more than its graph: whatever either holds, the outcome is an answer or an
      `InputError`.

From text to answer: `parse` (policy.lark) -> `build` -> `check` -> `plan` -> `search`; `policy` adds the head of a
policy file.
Imports: `grammar` only.
"""

from policies.errors import PolicyErrors
from policies.evaluate import LimitError, Limits, Match, evaluate
from policies.graph import KINDS, RELATIONS, Edge, MemoryGraph, PolicyGraph
from policies.parse import parse_query
from policies.policy import SEVERITIES, Policy, parse_policy
from policies.syntax import Query

__all__ = [
    "KINDS",
    "RELATIONS",
    "SEVERITIES",
    "Edge",
    "LimitError",
    "Limits",
    "Match",
    "MemoryGraph",
    "Policy",
    "PolicyErrors",
    "PolicyGraph",
    "Query",
    "evaluate",
    "parse_policy",
    "parse_query",
]
