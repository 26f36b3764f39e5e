"""All functions of the language, by their names in lower case: what is checked, run, and written into the reference.

Rules of this file
    - One table; `functions_*` hold its parts by subject. What is not in it is not in the language.
    - No clock: `timestamp()` and the temporal and spatial functions are not there, for answers must replay.

Invariant: names are unique whatever their case; every function has a line of documentation.
Source: openCypher 9 (functions).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from policies import functions_graph, functions_lists, functions_math, functions_strings
from policies.functions_signature import ANY, FLOAT, INTEGER, LIST, NUMBER, Function, Parameter, Sort

__all__ = ["FUNCTIONS", "Function", "Parameter", "Sort"]

NUMBERS: Final = (Parameter("number", NUMBER),)
VALUES: Final = (Parameter("value"),)
RANKED: Final = (Parameter("number", NUMBER), Parameter("percentile", NUMBER))


def _aggregating(name: str, parameters: tuple[Parameter, ...], result: frozenset[Sort], doc: str) -> Function:
    return Function(name, "aggregating", parameters, result, doc, aggregating=True)


AGGREGATING: Final = (
    _aggregating("count", VALUES, INTEGER, "How many values are not null; count(*) counts the rows."),
    _aggregating("sum", NUMBERS, NUMBER, "The sum; 0 of nothing."),
    _aggregating("avg", NUMBERS, FLOAT, "The mean; null of nothing."),
    _aggregating("min", VALUES, ANY, "The least value, in the order of ORDER BY."),
    _aggregating("max", VALUES, ANY, "The greatest value, in the order of ORDER BY."),
    _aggregating("collect", VALUES, LIST, "The list of the values that are not null."),
    _aggregating("stDev", NUMBERS, FLOAT, "The standard deviation of a sample."),
    _aggregating("stDevP", NUMBERS, FLOAT, "The standard deviation of a whole population."),
    _aggregating("percentileDisc", RANKED, NUMBER, "The nearest of the values at the percentile (0 to 1)."),
    _aggregating("percentileCont", RANKED, FLOAT, "The value at the percentile (0 to 1), between two if need be."),
)

FUNCTIONS: Final[Mapping[str, Function]] = {
    function.name.lower(): function
    for function in (
        *functions_graph.FUNCTIONS,
        *functions_strings.FUNCTIONS,
        *functions_lists.FUNCTIONS,
        *functions_math.FUNCTIONS,
        *AGGREGATING,
    )
}
