Feature: Names, columns and conditions

  Scenario: One, one point nothing and true are three, as columns and in aggregates
    Given any graph
    When executing query:
      """
      RETURN sum(1) AS a, sum(1.0) AS b, collect(1) AS c, collect(true) AS d, 1.0 AS e, true AS f, 1 AS g
      """
    Then the result should be, in any order:
      | a | b   | c   | d      | e   | f    | g |
      | 1 | 1.0 | [1] | [true] | 1.0 | true | 1 |
    When executing query:
      """
      WITH DISTINCT 0 AS x WHERE true RETURN x
      """
    Then the result should be, in any order:
      | x |
      | 0 |
    When executing query:
      """
      UNWIND [3, 4] AS x RETURN x / 2 AS a, x / 2.0 AS b, count(*) AS c
      """
    Then the result should be, in any order:
      | a | b   | c |
      | 1 | 1.5 | 1 |
      | 2 | 2.0 | 1 |

  Scenario Outline: What a loop binds is not the column of that name
    Given any graph
    When executing query:
      """
      UNWIND [1, 2] AS x <query>
      """
    Then the result should be, in order:
      | k | c   |
      | 1 | <a> |
      | 2 | <b> |

    Examples:
      | query                                                                | a | b |
      | RETURN x AS k, [x IN [5] \| x][0] + count(*) AS c ORDER BY k         | 6 | 6 |
      | RETURN x AS k, [y IN [x] \| y + x][0] + count(*) AS c ORDER BY k     | 3 | 5 |
      | RETURN x AS k, reduce(x = 4, y IN [1] \| x + y) + count(*) AS c ORDER BY k | 6 | 6 |
      | RETURN x AS k, count(*) AS c ORDER BY [k IN [x] \| k][0]             | 1 | 1 |

  Scenario: A loop in ORDER BY or WHERE hides a column, and a column is none of its names
    Given any graph
    When executing query:
      """
      UNWIND [1, 2] AS x RETURN DISTINCT x AS y ORDER BY [x IN [-y] | x][0]
      """
    Then the result should be, in order:
      | y |
      | 2 |
      | 1 |
    When executing query:
      """
      UNWIND [1, 2] AS x WITH DISTINCT x AS y WHERE any(y IN [2] WHERE y = x) RETURN y
      """
    Then the result should be, in any order:
      | y |
      | 2 |

  Scenario: A pattern beside an aggregate or after DISTINCT speaks of the columns
    Given an empty graph
    And having executed:
      """
      CREATE (a {n: 1})-[:T]->(b {n: 2})-[:T]->(:C {n: 3}), (b)-[:T]->(a)
      """
    When executing query:
      """
      MATCH (x) RETURN x AS k, size([(x)-->(y) | y]) + count(*) AS c ORDER BY c
      """
    Then the result should be, in order:
      | k          | c |
      | (:C {n: 3}) | 1 |
      | ({n: 1})   | 2 |
      | ({n: 2})   | 3 |
    When executing query:
      """
      MATCH (x) WITH DISTINCT x AS y ORDER BY size([(x)-->() | 1]) DESC LIMIT 1 RETURN y.n AS n
      """
    Then the result should be, in any order:
      | n |
      | 2 |
    When executing query:
      """
      MATCH (x) WITH x AS y, count(*) AS c WHERE (x)-->(:C) RETURN y.n AS n
      """
    Then the result should be, in any order:
      | n |
      | 2 |
    When executing query:
      """
      MATCH (x) RETURN x.n AS k, size([(x)-->(y) | y]) + count(*) AS c
      """
    Then a SyntaxError should be raised at compile time: AmbiguousAggregationExpression
    When executing query:
      """
      MATCH (x) RETURN x.n AS k, count(*) AS c ORDER BY max(x.n)
      """
    Then a SyntaxError should be raised at compile time: InvalidAggregation

  Scenario: A column is called what is written
    Given an empty graph
    And having executed:
      """
      CREATE ({n: 1})
      """
    When executing query:
      """
      MATCH (a) WITH (a) RETURN (a), a . n, `a`.n  + 1, count( * )
      """
    Then the result should be, in any order:
      | (a)      | a . n | `a`.n  + 1 | count( * ) |
      | ({n: 1}) | 1     | 2          | 1          |

  Scenario Outline: A condition that is no truth value is an error where it is met
    Given an empty graph
    And having executed:
      """
      CREATE ({n: 1})
      """
    When executing query:
      """
      <query>
      """
    Then a TypeError should be raised at runtime: InvalidArgumentType

    Examples:
      | query                                                       |
      | MATCH (a) WHERE a.n RETURN a                                |
      | MATCH (a) WITH a WHERE a.n RETURN a                         |
      | MATCH (a) WHERE any(x IN [a.n] WHERE x) RETURN a            |
      | MATCH (a) RETURN [x IN [a.n] WHERE x]                       |
      | MATCH (a) RETURN CASE WHEN a.n THEN 1 END                   |
      | MATCH (a) WHERE EXISTS { MATCH (b) WHERE b.n } RETURN a     |
      | UNWIND ['a'] AS x RETURN x - 1                              |
      | UNWIND [1] AS x MATCH (x) RETURN x                          |

  Scenario: What a list of the query holds is judged when it is taken out
    Given any graph
    When executing query:
      """
      WITH [[1]] AS x RETURN toInteger(x[0])
      """
    Then a TypeError should be raised at runtime: InvalidArgumentValue
    When executing query:
      """
      UNWIND ['a'] AS x RETURN sum(x)
      """
    Then a TypeError should be raised at runtime: InvalidArgumentValue
    When executing query:
      """
      MATCH p = ()-->() UNWIND nodes(p) AS n RETURN type(n)
      """
    Then a SyntaxError should be raised at compile time: InvalidArgumentType
