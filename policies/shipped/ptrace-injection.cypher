---
id: ptrace-injection
title: A process is taken over by one that did not start it
severity: high
technique: T1055.008
description: >
  ptrace, or a write into another process's memory, by a program that is no debugger and from which the victim does
  not descend. Sandboxes and tools that trace what they have started themselves are left out by that descent.
false_positives:
  - debuggers, profilers and crash reporters that are not in the list, attached to a running process
references: ["https://attack.mitre.org/techniques/T1055/008/"]
---
MATCH (victim:Process)-[act:WAS_TRIGGERED_BY]->(tracer:Process)
WHERE act.operation IN ['ptrace', 'vm_write']
  AND NOT coalesce(tracer.name, '') IN [
    'gdb', 'gdbserver', 'gcore', 'lldb', 'lldb-server', 'strace', 'ltrace', 'rr', 'dlv', 'perf', 'criu', 'bpftrace',
    'py-spy', 'uftrace', 'rbspy', 'systemd-coredum', 'chrome_crashpad', 'crashpad_handle', 'wineserver',
    'snap-confine', 'proot', 'jstack', 'jmap', 'reptyr'
  ]
  AND NOT EXISTS {
    MATCH (victim)-[down:WAS_TRIGGERED_BY*1..8]->(:Process)<-[earlier:WAS_TRIGGERED_BY*0..8]-(tracer)
    WHERE all(step IN down WHERE step.operation IN ['fork', 'execve', 'version'])
      AND all(step IN earlier WHERE step.operation = 'version')
  }
RETURN DISTINCT tracer.name AS tracer, tracer.exe AS program, victim.name AS victim, act.operation AS operation,
  tracer.id AS id
