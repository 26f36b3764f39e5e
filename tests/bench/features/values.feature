Feature: Values and their operators

  Scenario Outline: Three-valued logic
    Given any graph
    When executing query:
      """
      RETURN <expression> AS r
      """
    Then the result should be, in any order:
      | r        |
      | <result> |

    Examples:
      | expression             | result |
      | true AND null          | null   |
      | false AND null         | false  |
      | true OR null           | true   |
      | false OR null          | null   |
      | true XOR null          | null   |
      | true XOR true XOR true | true   |
      | NOT null               | null   |
      | null = null            | null   |
      | null <> null           | null   |
      | null IS NULL           | true   |
      | 1 IS NOT NULL          | true   |
      | 1 IN [2, null]         | null   |
      | 1 IN [1, null]         | true   |
      | null IN []             | false  |
      | null IN [1]            | null   |
      | [1] IN [[1, null]]     | false  |
      | [1, 2] = [1, null]     | null   |
      | [1, 2] = [3, null]     | false  |
      | [null] = [null]        | null   |
      | {a: 1} = {a: null}     | null   |
      | {a: 1} = {b: 1}        | false  |
      | 1 = 1.0                | true   |
      | 1 = '1'                | false  |
      | 1 < 'a'                | null   |
      | [1, 2] < [1, 3]        | true   |
      | [1] < [1, null]        | true   |
      | [1, null] >= [1, 2]    | null   |
      | 'a' < 'b'              | true   |
      | false < true           | true   |
      | 1 < 2 < 3              | true   |
      | 1 < 3 < 2              | false  |
      | 1 < 3 > 2              | true   |
      | 0.0 / 0.0 = 0.0 / 0.0  | false  |
      | 0.0 / 0.0 <> 0.0 / 0.0 | true   |
      | 0.0 / 0.0 > 1          | false  |
      | 'abc' STARTS WITH 'ab' | true   |
      | 'abc' ENDS WITH null   | null   |
      | 'abc' CONTAINS 1       | null   |
      | 'abc' =~ 'a.c'         | true   |
      | 'abc' =~ 'a'           | false  |

  Scenario Outline: No truth value
    Given any graph
    When executing query:
      """
      RETURN <expression>
      """
    Then a SyntaxError should be raised at compile time: InvalidArgumentType

    Examples:
      | expression     |
      | NOT 1          |
      | true AND 'a'   |
      | [] OR false    |
      | {} XOR true    |
      | 1 IN 1         |

  Scenario Outline: Arithmetic
    Given any graph
    When executing query:
      """
      RETURN <expression> AS r
      """
    Then the result should be, in any order:
      | r        |
      | <result> |

    Examples:
      | expression         | result          |
      | 7 / 2              | 3               |
      | -7 / 2             | -3              |
      | -7 % 3             | -1              |
      | 7 / 2.0            | 3.5             |
      | 2 ^ 3              | 8.0             |
      | 1 + 2.0            | 3.0             |
      | 'a' + 1            | 'a1'            |
      | [1] + 2            | [1, 2]          |
      | [1] + [2]          | [1, 2]          |
      | 1 + null           | null            |
      | 4 - 2 - 1          | 1               |
      | 2 ^ 3 ^ 2          | 64.0            |
      | -3 ^ 2             | 9.0             |
      | 1 + 2 * 3          | 7               |
      | 12 / 4 * 3 - 2 * 4 | 1               |
      | abs(-3)            | 3               |
      | ceil(1.2)          | 2.0             |
      | floor(-1.2)        | -2.0            |
      | round(2.5)         | 3.0             |
      | sign(-0.5)         | -1              |
      | sqrt(16)           | 4.0             |
      | toInteger('1.7')   | 1               |
      | toInteger(-1.7)    | -1              |
      | toFloat('1e3')     | 1000.0          |
      | toFloat('x')       | null            |
      | toBoolean('TRUE')  | true            |
      | toString(1.0)      | '1.0'           |
      | toString(true)     | 'true'          |
      | 0xff               | 255             |
      | 0o17               | 15              |
      | .5                 | 0.5             |
      | 1e-2               | 0.01            |

  Scenario Outline: Lists, strings, maps
    Given any graph
    When executing query:
      """
      RETURN <expression> AS r
      """
    Then the result should be, in any order:
      | r        |
      | <result> |

    Examples:
      | expression                                   | result          |
      | [1, 2, 3][-1]                                | 3               |
      | [1, 2, 3][5]                                 | null            |
      | [1, 2, 3][1..]                               | [2, 3]          |
      | [1, 2, 3][..-1]                              | [1, 2]          |
      | [1, 2, 3][2..1]                              | []              |
      | [1, 2, 3][0..null]                           | null            |
      | head([])                                     | null            |
      | last([1, 2])                                 | 2               |
      | tail([1, 2])                                 | [2]             |
      | reverse([1, 2])                              | [2, 1]          |
      | reverse('abc')                               | 'cba'           |
      | range(0, 10, 4)                              | [0, 4, 8]       |
      | range(3, 1, -1)                              | [3, 2, 1]       |
      | range(1, 0)                                  | []              |
      | size('abc')                                  | 3               |
      | size([1, null])                              | 2               |
      | {a: 1}.a                                     | 1               |
      | {a: 1}.b                                     | null            |
      | {a: 1}['a']                                  | 1               |
      | keys({a: 1})                                 | ['a']           |
      | substring('hello', 1, 3)                     | 'ell'           |
      | substring('hello', 3)                        | 'lo'            |
      | left('hello', 2)                             | 'he'            |
      | right('hello', 2)                            | 'lo'            |
      | trim('  a ')                                 | 'a'             |
      | ltrim('  a')                                 | 'a'             |
      | rtrim('a  ')                                 | 'a'             |
      | toUpper('aB')                                | 'AB'            |
      | toLower('aB')                                | 'ab'            |
      | replace('abab', 'a', 'x')                    | 'xbxb'          |
      | split('a,b,', ',')                           | ['a', 'b', '']  |
      | coalesce(null, 2, 3)                         | 2               |
      | coalesce(null)                               | null            |
      | [x IN [1, 2, 3] WHERE x > 1 \| x * 2]        | [4, 6]          |
      | [x IN [1, 2, 3] WHERE x > 1]                 | [2, 3]          |
      | reduce(s = 0, x IN [1, 2, 3] \| s + x)       | 6               |
      | all(x IN [] WHERE false)                     | true            |
      | any(x IN [] WHERE true)                      | false           |
      | none(x IN [1, null] WHERE x > 1)             | null            |
      | single(x IN [1, 2] WHERE x = 1)              | true            |
      | single(x IN [1, null] WHERE x = 1)           | null            |
      | single(x IN [1, 1, null] WHERE x = 1)        | false           |
      | any(x IN [1, null] WHERE x = 1)              | true            |
      | CASE 1 WHEN 1 THEN 'a' ELSE 'b' END          | 'a'             |
      | CASE null WHEN null THEN 'a' ELSE 'b' END    | 'b'             |
      | CASE WHEN null THEN 1 WHEN true THEN 2 END   | 2               |
      | CASE WHEN false THEN 1 END                   | null            |
      | 'it\'s' + "a"                                | 'it\'sa'        |
      | '\u0041'                                     | 'A'             |

  Scenario Outline: Errors at run time
    Given any graph
    When executing query:
      """
      WITH <value> AS x RETURN <expression> AS r
      """
    Then a <kind> should be raised at runtime: <detail>

    Examples:
      | value   | expression        | kind          | detail                      |
      | 1       | range(1, 2, x - x) | ArgumentError | NumberOutOfRange           |
      | {a: 1}  | x[1]              | TypeError     | MapElementAccessByNonString |
      | [1, []] | toInteger(x[1])   | TypeError     | InvalidArgumentValue        |
      | ['', {}] | toString(x[1])   | TypeError     | InvalidArgumentValue        |
      | [1.5, true] | toBoolean(x[0]) | TypeError   | InvalidArgumentValue        |

  Scenario Outline: Percentiles
    Given any graph
    When executing query:
      """
      UNWIND [10.0, 20.0, 30.0] AS x RETURN <call> AS p
      """
    Then the result should be, in any order:
      | p        |
      | <result> |

    Examples:
      | call                     | result |
      | percentileDisc(x, 0.0)   | 10.0   |
      | percentileDisc(x, 0.5)   | 20.0   |
      | percentileDisc(x, 1.0)   | 30.0   |
      | percentileCont(x, 0.25)  | 15.0   |
      | percentileCont(x, 1.0)   | 30.0   |

  Scenario Outline: A percentile out of range
    Given any graph
    And parameters are:
      | p | <value> |
    When executing query:
      """
      UNWIND [1.0, 2.0] AS x RETURN <function>(x, $p) AS r
      """
    Then a ArgumentError should be raised at runtime: NumberOutOfRange

    Examples:
      | function       | value |
      | percentileCont | 1.1   |
      | percentileDisc | -0.1  |

  Scenario: Of nodes and relationships
    Given an empty graph
    And having executed:
      """
      CREATE (:A:B {k: 1, l: null})-[:T {m: [1, 2]}]->()
      """
    When executing query:
      """
      MATCH (a:A)-[r]->(b)
      RETURN labels(a) AS l, keys(a) AS k, properties(r) AS p, a:A:B AS is, a:C AS no,
             a['k'] AS dynamic, a.nothing AS nothing, startNode(r) AS s, endNode(r) AS e
      """
    Then the result should be (ignoring element order for lists):
      | l          | k     | p           | is   | no    | dynamic | nothing | s              | e  |
      | ['A', 'B'] | ['k'] | {m: [1, 2]} | true | false | 1       | null    | (:A:B {k: 1}) | () |

  Scenario: Functions of null are null
    Given any graph
    When executing query:
      """
      OPTIONAL MATCH (a)-[r]->()
      RETURN labels(a) AS l, type(r) AS t, keys(a) AS k, properties(r) AS p, a.x AS x, size(null) AS s, head(null) AS h
      """
    Then the result should be, in any order:
      | l    | t    | k    | p    | x    | s    | h    |
      | null | null | null | null | null | null | null |

  Scenario Outline: Functions of the wrong thing
    Given any graph
    When executing query:
      """
      MATCH p = (a)-[r]->() RETURN <call>
      """
    Then a SyntaxError should be raised at compile time: InvalidArgumentType

    Examples:
      | call        |
      | type(a)     |
      | length(a)   |
      | length(r)   |
      | size(p)     |
      | labels(p)   |

  Scenario: Integers have 64 bits
    Given any graph
    When executing query:
      """
      RETURN 9223372036854775807 AS most, -9223372036854775808 AS least
      """
    Then the result should be, in any order:
      | most                | least                |
      | 9223372036854775807 | -9223372036854775808 |

  Scenario Outline: Numbers and strings that are none
    Given any graph
    When executing query:
      """
      RETURN <literal> AS l
      """
    Then a SyntaxError should be raised at compile time: <detail>

    Examples:
      | literal              | detail                |
      | 9223372036854775808  | IntegerOverflow       |
      | -9223372036854775809 | IntegerOverflow       |
      | 1.0e999              | FloatingPointOverflow |
      | '\uH'                | InvalidUnicodeLiteral |
