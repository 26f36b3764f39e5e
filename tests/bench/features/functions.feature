Feature: Functions and aggregates at their edges

  Scenario Outline: Null in, null out; ends of lists and strings
    Given any graph
    When executing query:
      """
      RETURN <expression> AS r
      """
    Then the result should be, in any order:
      | r        |
      | <result> |

    Examples:
      | expression                                        | result      |
      | substring(null, 1)                                | null        |
      | substring('abc', 5)                               | ''          |
      | substring('abc', 0, 10)                           | 'abc'       |
      | left('abc', 10)                                   | 'abc'       |
      | right('abc', 0)                                   | ''          |
      | split(null, 'a')                                  | null        |
      | replace(null, 'a', 'b')                           | null        |
      | toString(null)                                    | null        |
      | toInteger(null)                                   | null        |
      | toInteger('foo')                                  | null        |
      | toFloat('1.5')                                    | 1.5         |
      | toBoolean('maybe')                                | null        |
      | toInteger(2.9)                                    | 2           |
      | abs(null)                                         | null        |
      | head([null, 1])                                   | null        |
      | tail([])                                          | []          |
      | last([])                                          | null        |
      | reverse(null)                                     | null        |
      | keys({})                                          | []          |
      | properties({a: 1})                                | {a: 1}      |
      | range(0, -3)                                      | []          |
      | range(1, 5, 2)                                    | [1, 3, 5]   |
      | [1, 2, 3][-2..]                                   | [2, 3]      |
      | [1, 2][null]                                      | null        |
      | [1, 2][0..5]                                      | [1, 2]      |
      | [x IN null \| x]                                  | null        |
      | [x IN [1] WHERE null]                             | []          |
      | any(x IN null WHERE true)                         | null        |
      | none(x IN [null] WHERE x IS NULL)                 | false       |
      | single(x IN [null] WHERE x IS NULL)               | true        |
      | reduce(a = '', x IN ['a', 'b'] \| a + x)          | 'ab'        |
      | CASE 1 WHEN 1.0 THEN 'y' END                      | 'y'         |
      | {a: {b: [1, {c: 2}]}}.a.b[1].c                    | 2           |
      | {a: 1}['b']                                       | null        |
      | [] = []                                           | true        |
      | [1] = [1.0]                                       | true        |
      | [1] = 1                                           | false       |
      | {a: 1, b: 2} = {b: 2, a: 1}                       | true        |
      | {a: null} = {a: null}                             | null        |
      | 1 + 2.5 * 2                                       | 6.0         |
      | 5 % 3.0                                           | 2.0         |
      | 0.0 / 0.0                                         | NaN         |
      | 5 / 0.0                                           | Inf         |
      | -5 / 0.0                                          | -Inf        |
      | sqrt(-1)                                          | NaN         |
      | NOT true OR true                                  | true        |
      | NOT (true OR true)                                | false       |
      | true XOR true AND false                           | true        |
      | NOT 1 IN [1]                                      | false       |
      | 1 IN [2] IS NULL                                  | false       |
      | 'a' < 'aa'                                        | true        |
      | '' ENDS WITH ''                                   | true        |
      | 0x7fffffffffffffff                                | 9223372036854775807 |

  Scenario Outline: Aggregates
    Given any graph
    When executing query:
      """
      UNWIND <list> AS x RETURN <call> AS r
      """
    Then the result should be, in any order:
      | r        |
      | <result> |

    Examples:
      | list                        | call                  | result    |
      | [1, 2, 2]                   | sum(DISTINCT x)       | 3         |
      | [1, 2, 2]                   | avg(DISTINCT x)       | 1.5       |
      | [1, 2, 2]                   | collect(DISTINCT x)   | [1, 2]    |
      | [1, null, 2]                | count(x)              | 2         |
      | [1, null, 2]                | count(*)              | 3         |
      | [1, null, 2]                | collect(x)            | [1, 2]    |
      | [null]                      | max(x)                | null      |
      | [null]                      | sum(x)                | 0         |
      | [1, 2.0]                    | sum(x)                | 3.0       |
      | [1, 'a', null, 2.5]         | min(x)                | 'a'       |
      | [1, 'a', null, 2.5]         | max(x)                | 2.5       |
      | ['a', [1, 2], 1, [1]]       | min(x)                | [1]       |
      | [[1], [2], [2, 1]]          | max(x)                | [2, 1]    |
      | [1, 2, 3]                   | sum(x) + count(*)     | 9         |
      | [1, 2, 3]                   | size(collect(x))      | 3         |
      | [1, 2, 3]                   | count(x) > 2          | true      |
      | [1, 2, 3]                   | {all: collect(x)}     | {all: [1, 2, 3]} |
      | [1, 2, 3, 4]                | percentileCont(x, 0.4) | 2.2      |
      | [1, 2, 3, 4]                | percentileDisc(x, 0.4) | 2        |

  Scenario Outline: What is not one value for all of a group
    Given any graph
    When executing query:
      """
      MATCH (n) <projection>
      """
    Then a SyntaxError should be raised at compile time: <detail>

    Examples:
      | projection                                    | detail                         |
      | RETURN n.k % 2 + count(*)                     | AmbiguousAggregationExpression |
      | RETURN n.k AS k, n.l + count(*) AS c          | AmbiguousAggregationExpression |
      | WITH n.k AS k, max(n.l) + n.m AS c RETURN c   | AmbiguousAggregationExpression |
      | RETURN n.k % 2 AS odd, n.k % 2 + count(*) AS c | AmbiguousAggregationExpression |
      | RETURN count(n) AS c ORDER BY n.k             | UndefinedVariable              |
      | RETURN n.k ORDER BY count(*)                  | InvalidAggregation             |
      | WITH n WHERE count(*) > 1 RETURN n            | InvalidAggregation             |
      | RETURN [x IN [1] \| count(*)]                 | InvalidAggregation             |

  Scenario Outline: Grouped by an expression that is a column
    Given an empty graph
    And having executed:
      """
      UNWIND range(1, 5) AS i CREATE (:N {k: i})
      """
    When executing query:
      """
      MATCH (n:N) RETURN <columns> ORDER BY <order>
      """
    Then the result should be, in order:
      | odd     | c       |
      | <odd 1> | <c 1>   |
      | <odd 2> | <c 2>   |

    Examples:
      | columns                              | order        | odd 1 | c 1 | odd 2 | c 2 |
      | n.k % 2 AS odd, count(*) AS c        | odd          | 0     | 2   | 1     | 3   |
      | n.k % 2 AS odd, count(*) AS c        | c DESC       | 1     | 3   | 0     | 2   |
      | n.k % 2 AS odd, count(*) AS c        | c + odd DESC | 1     | 3   | 0     | 2   |
      | n.k % 2 AS odd, max(n.k) - min(n.k) AS c | n.k % 2  | 0     | 2   | 1     | 4   |

  Scenario Outline: The name of a function and its keyword have no case
    Given any graph
    When executing query:
      """
      <query>
      """
    Then the result should be, in any order:
      | <column> |
      | <value>  |

    Examples:
      | query                                | column       | value |
      | rEtUrN ToUpper('a')                  | ToUpper('a') | 'A'   |
      | UNWIND [1, 2] as x RETURN COUNT(*)   | COUNT(*)     | 2     |
      | RETURN TRUE and not False AS x       | x            | true  |
