Feature: Match

  Background:
    Given an empty graph

  Scenario: An undirected step finds a relationship once from either end
    And having executed:
      """
      CREATE (:A {n: 1})-[:T]->(:B {n: 2})
      """
    When executing query:
      """
      MATCH (a)--(b) RETURN a.n AS a, b.n AS b
      """
    Then the result should be, in any order:
      | a | b |
      | 1 | 2 |
      | 2 | 1 |
    And no side effects

  Scenario: An undirected step finds a loop once
    And having executed:
      """
      CREATE (a {n: 1}) CREATE (a)-[:T]->(a)
      """
    When executing query:
      """
      MATCH (a)-[r]-(b) RETURN a.n, b.n, type(r)
      """
    Then the result should be, in any order:
      | a.n | b.n | type(r) |
      | 1   | 1   | 'T'     |

  Scenario: One relationship is not two steps of one MATCH, but it is of two
    And having executed:
      """
      CREATE (:A)-[:T]->(:B)
      """
    When executing query:
      """
      MATCH (a)-[r]-(b)-[s]-(c) RETURN count(*) AS n
      """
    Then the result should be, in any order:
      | n |
      | 0 |
    When executing query:
      """
      MATCH (a)-[r]-(b) MATCH (b)-[s]-(c) RETURN count(*) AS n
      """
    Then the result should be, in any order:
      | n |
      | 2 |

  Scenario: Types have alternatives, maps are conditions
    And having executed:
      """
      CREATE (a:A), (b:B),
             (a)-[:X {k: 1}]->(b), (a)-[:Y {k: 2}]->(b), (a)-[:Z {k: 1}]->(b)
      """
    When executing query:
      """
      MATCH (:A)-[r:X|Y|Z {k: 1}]->(:B) RETURN r ORDER BY type(r)
      """
    Then the result should be, in order:
      | r             |
      | [:X {k: 1}]   |
      | [:Z {k: 1}]   |

  Scenario: The old form of alternatives has a colon before each
    And having executed:
      """
      CREATE (a), (b), (a)-[:X]->(b), (a)-[:Y]->(b), (a)-[:Z]->(b)
      """
    When executing query:
      """
      MATCH ()-[r:X|:Z]->() RETURN type(r) AS t
      """
    Then the result should be, in any order:
      | t   |
      | 'X' |
      | 'Z' |

  Scenario Outline: Variable length, both ends counted
    And having executed:
      """
      CREATE (:N {n: 0})-[:T]->(:N {n: 1})-[:T]->(:N {n: 2})-[:T]->(:N {n: 3})
      """
    When executing query:
      """
      MATCH (:N {n: 0})-[r:T<range>]->(x) RETURN x.n AS n, size(r) AS hops
      """
    Then the result should be, in any order:
      | n       | hops    |
      | <first> | <first> |
      | <last>  | <last>  |

    Examples:
      | range | first | last |
      | *2..  | 2     | 3    |
      | *..2  | 1     | 2    |
      | *0..1 | 0     | 1    |
      | *1..2 | 1     | 2    |

  Scenario: Every relationship of a variable length meets the map
    And having executed:
      """
      CREATE ({n: 0})-[:T {k: 1}]->({n: 1})-[:T {k: 2}]->({n: 2})-[:T {k: 1}]->({n: 3})
      """
    When executing query:
      """
      MATCH ({n: 0})-[*1..3 {k: 1}]->(x) RETURN x.n
      """
    Then the result should be, in any order:
      | x.n |
      | 1   |

  Scenario: A variable length does not walk one relationship twice
    And having executed:
      """
      CREATE (a {n: 1})-[:T]->(b {n: 2})-[:T]->(a)
      """
    When executing query:
      """
      MATCH p = ({n: 1})-[*]->(x) RETURN length(p) AS length, x.n AS n
      """
    Then the result should be, in any order:
      | length | n |
      | 1      | 2 |
      | 2      | 1 |

  Scenario: A named path keeps the direction of what it walked
    And having executed:
      """
      CREATE (:A)-[:S]->(:B)<-[:T {k: null, l: 1}]-(:C)
      """
    When executing query:
      """
      MATCH p = (:A)-->()<--(:C) RETURN p, nodes(p) AS ns, relationships(p) AS rs
      """
    Then the result should be, in any order:
      | p                                       | ns                 | rs                 |
      | <(:A)-[:S]->(:B)<-[:T {l: 1}]-(:C)>     | [(:A), (:B), (:C)] | [[:S], [:T {l: 1}]] |

  Scenario: A path of one node has no length
    And having executed:
      """
      CREATE (:A)
      """
    When executing query:
      """
      MATCH p = (a:A) RETURN p, length(p) AS n
      """
    Then the result should be, in any order:
      | p      | n |
      | <(:A)> | 0 |

  Scenario: A list of relationships that is bound already is walked as it stands
    And having executed:
      """
      CREATE (:A)-[:S]->(:B)-[:T]->(:C)
      """
    When executing query:
      """
      MATCH (:A)-[r]->()-[s]->(:C)
      WITH [r, s] AS rs
      MATCH (first)-[rs*]->(last)
      RETURN first, last
      """
    Then the result should be, in any order:
      | first | last |
      | (:A)  | (:C) |

  Scenario: OPTIONAL MATCH keeps rows that WHERE would have dropped
    And having executed:
      """
      CREATE (:A {n: 1})-[:T]->(:B {n: 5}), (:A {n: 2})
      """
    When executing query:
      """
      MATCH (a:A) OPTIONAL MATCH (a)-->(b) WHERE b.n > 10 RETURN a.n AS a, b
      """
    Then the result should be, in any order:
      | a | b    |
      | 1 | null |
      | 2 | null |

  Scenario: MATCH from a variable that is null finds nothing
    When executing query:
      """
      OPTIONAL MATCH (a:Nothing) WITH a MATCH (a)-->(b) RETURN b
      """
    Then the result should be empty

  Scenario: shortestPath and allShortestPaths
    And having executed:
      """
      CREATE (a:A), (b:B), (c:C), (d:D),
             (a)-[:T]->(b), (b)-[:T]->(d), (a)-[:T]->(c), (c)-[:T]->(d), (a)-[:U]->(a)
      """
    When executing query:
      """
      MATCH p = shortestPath((:A)-[:T*]->(:D)) RETURN length(p) AS n
      """
    Then the result should be, in any order:
      | n |
      | 2 |
    When executing query:
      """
      MATCH p = allShortestPaths((:A)-[*]->(:D)) RETURN nodes(p)[1] AS between
      """
    Then the result should be, in any order:
      | between |
      | (:B)    |
      | (:C)    |

  Scenario Outline: Nested patterns that cannot be
    When executing query:
      """
      MATCH <pattern> RETURN 1
      """
    Then a SyntaxError should be raised at compile time: <detail>

    Examples:
      | pattern               | detail                         |
      | (a)-[a]->(b)          | VariableTypeConflict           |
      | (a)-[r]->()-[r]->(b)  | RelationshipUniquenessViolation |

  Scenario Outline: A pattern where a truth value stands binds nothing
    And having executed:
      """
      CREATE (:A)-[:T]->(:B)
      """
    When executing query:
      """
      MATCH (n) WHERE <condition> RETURN labels(n) AS l
      """
    Then the result should be, in any order:
      | l       |
      | <label> |

    Examples:
      | condition                     | label |
      | (n)-->()                      | ['A'] |
      | NOT (n)-->()                  | ['B'] |
      | (n)<-[:T]-(:A)                | ['B'] |
      | (n)-[:T]->(:B)                | ['A'] |
      | exists((n)-[:T]->())          | ['A'] |
      | EXISTS { (n)-[:T]->(:B) }     | ['A'] |
      | EXISTS { MATCH (n)<--(m) WHERE m:A } | ['B'] |

  Scenario: A pattern predicate cannot bring in a variable
    When executing query:
      """
      MATCH (n) WHERE (n)-[r]->(m) RETURN n
      """
    Then a SyntaxError should be raised at compile time: UndefinedVariable

  Scenario: A pattern comprehension is a list for each row
    And having executed:
      """
      CREATE (a:A {n: 1})-[:T]->(:B {n: 2}), (a)-[:T]->(:B {n: 3}), (:A {n: 4})
      """
    When executing query:
      """
      MATCH (a:A) RETURN a.n AS n, [(a)-->(b) WHERE b.n > 1 | b.n * 10] AS l
      """
    Then the result should be (ignoring element order for lists):
      | n | l        |
      | 1 | [20, 30] |
      | 4 | []       |
