Feature: Clauses between MATCH and the answer

  Scenario: A column is named as it was written
    Given an empty graph
    And having executed:
      """
      CREATE ({n: 1})
      """
    When executing query:
      """
      MATCH (a) RETURN a.n,  count( * ), 1+2, [ x IN [1]  | x ]
      """
    Then the result should be, in any order:
      | a.n | count( * ) | 1+2 | [ x IN [1]  \| x ] |
      | 1   | 1          | 3   | [1]                |

  Scenario: RETURN * has the columns in order of their names
    Given any graph
    When executing query:
      """
      WITH 1 AS b, 2 AS a, 3 AS c RETURN *
      """
    Then the result should be, in any order:
      | a | b | c |
      | 2 | 1 | 3 |

  Scenario Outline: What is undefined or said twice
    Given any graph
    When executing query:
      """
      <query>
      """
    Then a SyntaxError should be raised at compile time: <detail>

    Examples:
      | query                                  | detail                  |
      | MATCH () RETURN *                      | NoVariablesInScope      |
      | RETURN a                               | UndefinedVariable       |
      | MATCH (a) WITH a.n RETURN 1            | NoExpressionAlias       |
      | WITH 1 AS a, 2 AS a RETURN a           | ColumnNameConflict      |
      | RETURN 1 AS a, 2 AS a                  | ColumnNameConflict      |
      | WITH 1 AS a UNWIND [1] AS a RETURN a   | VariableAlreadyBound    |
      | MATCH (a) WITH 1 AS b RETURN a         | UndefinedVariable       |
      | RETURN 1 AS a UNION RETURN 1 AS b      | DifferentColumnsInUnion |
      | RETURN 1 AS a UNION RETURN 2 AS a UNION ALL RETURN 3 AS a | InvalidClauseComposition |
      | RETURN 1 LIMIT -1                      | NegativeIntegerArgument |
      | RETURN 1 SKIP -1                       | NegativeIntegerArgument |
      | RETURN 1 LIMIT 1.5                     | InvalidArgumentType     |
      | MATCH (n) RETURN n SKIP n.x            | NonConstantExpression   |
      | MATCH (n) RETURN n LIMIT n.x           | NonConstantExpression   |
      | MATCH (n) WHERE count(n) > 1 RETURN n  | InvalidAggregation      |
      | RETURN count(count(*))                 | NestedAggregation       |
      | MATCH (a) RETURN a.n + count(*)        | AmbiguousAggregationExpression |
      | MATCH (a) RETURN 1 AS n ORDER BY count(*) | InvalidAggregation   |
      | RETURN foo(1)                          | UnknownFunction         |
      | RETURN size()                          | InvalidNumberOfArguments |

  Scenario Outline: SKIP and LIMIT of a parameter that is no count
    Given any graph
    And parameters are:
      | p | <value> |
    When executing query:
      """
      UNWIND [1, 2] AS x RETURN x <clause> $p
      """
    Then a SyntaxError should be raised at runtime: <detail>

    Examples:
      | clause | value | detail                  |
      | SKIP   | -1    | NegativeIntegerArgument |
      | LIMIT  | -1    | NegativeIntegerArgument |
      | SKIP   | 1.5   | InvalidArgumentType     |
      | LIMIT  | 1.5   | InvalidArgumentType     |

  Scenario: ORDER BY sees what was there before the projection
    Given an empty graph
    And having executed:
      """
      CREATE ({n: 2, m: 'b'}), ({n: 1, m: 'c'}), ({n: 3, m: 'a'})
      """
    When executing query:
      """
      MATCH (x) RETURN x.n AS n ORDER BY x.m DESC
      """
    Then the result should be, in order:
      | n |
      | 1 |
      | 2 |
      | 3 |

  Scenario: ORDER BY after DISTINCT sees only the columns
    Given any graph
    When executing query:
      """
      MATCH (x) RETURN DISTINCT x.n AS n ORDER BY x.m
      """
    Then a SyntaxError should be raised at compile time: UndefinedVariable

  Scenario: Values of all types have an order
    Given any graph
    When executing query:
      """
      UNWIND [1, 'a', null, true, [1], {k: 1}, 0.5, false, NULL, 'B'] AS x RETURN x ORDER BY x
      """
    Then the result should be, in order:
      | x      |
      | {k: 1} |
      | [1]    |
      | 'B'    |
      | 'a'    |
      | false  |
      | true   |
      | 0.5    |
      | 1      |
      | null   |
      | null   |

  Scenario: Descending turns all of it round
    Given any graph
    When executing query:
      """
      UNWIND [[1, 2], [1], [], [1, null], null, [2], 3] AS x RETURN x ORDER BY x DESC
      """
    Then the result should be, in order:
      | x         |
      | null      |
      | 3         |
      | [2]       |
      | [1, null] |
      | [1, 2]    |
      | [1]       |
      | []        |

  Scenario: Sorting by several keys
    Given any graph
    When executing query:
      """
      UNWIND [[1, 1], [2, 1], [1, 2], [2, 2]] AS x
      RETURN x[0] AS a, x[1] AS b ORDER BY b DESCENDING, a ASCENDING SKIP 1 LIMIT 2
      """
    Then the result should be, in order:
      | a | b |
      | 2 | 2 |
      | 1 | 1 |

  Scenario: LIMIT 0 has columns and no rows
    Given any graph
    When executing query:
      """
      UNWIND [1] AS x RETURN x LIMIT 0
      """
    Then the result should be, in any order:
      | x |

  Scenario: DISTINCT knows null, NaN and equal numbers
    Given any graph
    When executing query:
      """
      UNWIND [null, null, 1, 1, 'a', 'a', [1], [1]] AS x RETURN DISTINCT x
      """
    Then the result should be, in any order:
      | x    |
      | null |
      | 1    |
      | 'a'  |
      | [1]  |

  Scenario: WITH groups by what is not aggregated
    Given any graph
    When executing query:
      """
      UNWIND [[1, 2], [1, 3], [2, 4]] AS x
      WITH x[0] AS k, sum(x[1]) AS total, collect(x[1]) AS all
      WHERE total > 4
      RETURN k, total, size(all) AS n
      """
    Then the result should be, in any order:
      | k | total | n |
      | 1 | 5     | 2 |

  Scenario: Aggregation of nothing is one row, unless something groups
    Given an empty graph
    When executing query:
      """
      MATCH (n) RETURN count(*) AS c, sum(n.x) AS s, min(n.x) AS least, collect(n) AS l, avg(n.x) AS a
      """
    Then the result should be, in any order:
      | c | s | least | l  | a    |
      | 0 | 0 | null  | [] | null |
    When executing query:
      """
      MATCH (n) RETURN n.x AS x, count(*) AS c
      """
    Then the result should be, in any order:
      | x | c |

  Scenario: UNWIND of null and of an empty list has no rows
    Given any graph
    When executing query:
      """
      UNWIND null AS x RETURN x
      """
    Then the result should be empty
    When executing query:
      """
      UNWIND [] AS x RETURN x
      """
    Then the result should be empty

  Scenario: UNION drops what is twice, UNION ALL does not
    Given any graph
    When executing query:
      """
      UNWIND [1, 2] AS x RETURN x UNION UNWIND [2, 3] AS x RETURN x
      """
    Then the result should be, in any order:
      | x |
      | 1 |
      | 2 |
      | 3 |
    When executing query:
      """
      UNWIND [1, 2] AS x RETURN x UNION ALL UNWIND [2, 3] AS x RETURN x
      """
    Then the result should be, in any order:
      | x |
      | 1 |
      | 2 |
      | 2 |
      | 3 |

  Scenario: Counting subgraphs
    Given an empty graph
    And having executed:
      """
      CREATE (a:A), (b:B), (a)-[:T]->(b), (a)-[:T]->(b), (b)-[:T]->(b)
      """
    When executing query:
      """
      MATCH (:A)-[r]->(:B)-[s]->() RETURN count(r) AS paths, count(DISTINCT s) AS loops
      """
    Then the result should be, in any order:
      | paths | loops |
      | 2     | 1     |
