"""What must not happen, and whatever else one may ask: a subset of Cypher over provenance graphs, and policies in it.

Rules of this package
    - Workers and the monitor evaluate the same code on the same small interface (`PolicyGraph`), so their answers
      agree.
    - No I/O, no clock: texts, graphs and clocks come in as arguments; `winnower.policy_command` reads the files.
    - A policy's text is trusted no more than its graph: whatever either holds, the outcome is an answer or an
      `InputError`.
    - A graph is concrete, or a model of which the caller says how it is meant (`Meaning`); then every row is certain or
      only possible.

From text to answer: `lexer`, `parse` (policy.lark) -> `build` -> `check` -> `clauses` (`plan`, `search`, `projection`,
`expressions`) -> `evaluate`, `incremental`; `policy` adds the head of a policy file.
Imports: `grammar` only.
"""

from policies.errors import PolicyErrors, QueryError
from policies.evaluate import evaluate, run
from policies.graph import KINDS, RELATIONS, Edge, Meaning, MemoryGraph, PolicyGraph
from policies.limits import LimitError, Limits, Match, Result, Row
from policies.parse import parse_query
from policies.policy import SEVERITIES, Policy, parse_policy
from policies.syntax import Query
from policies.values import Value, rendered

__all__ = [
    "KINDS",
    "RELATIONS",
    "SEVERITIES",
    "Edge",
    "LimitError",
    "Limits",
    "Match",
    "Meaning",
    "MemoryGraph",
    "Policy",
    "PolicyErrors",
    "PolicyGraph",
    "Query",
    "QueryError",
    "Result",
    "Row",
    "Value",
    "evaluate",
    "parse_policy",
    "parse_query",
    "rendered",
    "run",
]
