---
id: crypto-miner
title: A process behaves like a miner of crypto-currency
severity: high
technique: T1496
description: >
  A connection to a port that mining pools use, by a process that also measures the machine as miners do (topology and
  caches of the processors, huge pages, model-specific registers), or any connection by a program with a miner's name.
false_positives:
  - high-performance programs that look at the topology (hwloc, MPI, DPDK) and serve or ask one of these ports
references: ["https://attack.mitre.org/techniques/T1496/", "https://xmrig.com/docs/miner/hugepages"]
---
MATCH (pool:Socket)-[act:WAS_GENERATED_BY]->(miner:Process)
WHERE act.operation IN ['connect', 'send', 'write']
  AND NOT coalesce(pool.family, '') IN ['unix', 'netlink'] AND pool.local IS NULL
  AND miner.name IN [
    'xmrig', 'xmrigDaemon', 'xmrig-notls', 'xmr-stak', 'minerd', 'cpuminer', 'cpuminer-sse2', 'ccminer', 'cgminer',
    'bfgminer', 'ethminer', 'nbminer', 'lolMiner', 'nanominer', 'phoenixminer', 't-rex', 'SRBMiner-MULTI',
    'minergate-cli', 'kinsing', 'kdevtmpfsi'
  ]
RETURN miner.name AS process, miner.exe AS program, pool.address AS address, pool.port AS port, miner.id AS id
UNION
// What a process has read before, or reads later, hangs on other versions of it.
MATCH (pool:Socket)-[act:WAS_GENERATED_BY]->(miner:Process)
  -[:WAS_TRIGGERED_BY*0..6 {operation: 'version'}]-(:Process)-[:USED|WAS_GENERATED_BY]-(sight:File)
WHERE act.operation IN ['connect', 'send', 'write']
  AND NOT coalesce(pool.family, '') IN ['unix', 'netlink'] AND pool.local IS NULL
  AND pool.port IN [
    '3333', '3334', '3335', '4444', '5555', '5556', '6666', '7777', '8888', '9999', '10128', '10343', '13333', '14433',
    '14444', '20535', '20580'
  ]
  AND (sight.path STARTS WITH '/sys/devices/system/' AND
      (sight.path CONTAINS '/topology' OR sight.path CONTAINS '/cache/' OR sight.path CONTAINS 'hugepages')
    OR sight.path CONTAINS '/nr_hugepages' OR sight.path STARTS WITH '/dev/cpu/')
RETURN miner.name AS process, miner.exe AS program, pool.address AS address, pool.port AS port, miner.id AS id
