---
id: process-memory-access
title: The memory of another process or of the kernel is read or written through a file
severity: high
technique: [T1003.007, T1055]
description: >
  /proc/PID/mem of another process, /dev/mem, /dev/kmem or /proc/kcore is opened by something that is no debugger:
  passwords are dumped from memory so, and code is put into it.
false_positives:
  - debuggers, profilers and crash reporters that are not in the list
references: ["https://attack.mitre.org/techniques/T1003/007/"]
---
MATCH (process:Process)-[use:USED|WAS_GENERATED_BY]-(memory:File)
WHERE use.operation IN ['open', 'read', 'write', 'mmap', 'copy']
  AND (memory.path STARTS WITH '/proc/' AND memory.path ENDS WITH '/mem'
      AND NOT memory.path STARTS WITH '/proc/self/' AND NOT memory.path STARTS WITH '/proc/thread-self/'
    OR memory.path IN ['/dev/mem', '/dev/kmem', '/dev/fmem', '/proc/kcore'])
  AND NOT coalesce(process.name, '') IN [
    'gdb', 'gdbserver', 'gcore', 'lldb', 'lldb-server', 'strace', 'ltrace', 'rr', 'dlv', 'perf', 'crash', 'criu',
    'bpftrace', 'py-spy', 'uftrace', 'systemd-coredum', 'apport', 'abrt-hook-ccpp', 'chrome_crashpad',
    'crashpad_handle', 'dmidecode', 'lshw', 'biosdecode', 'acpidump', 'x86info', 'vbetool', 'Xorg', 'makedumpfile',
    'kdumpctl', 'runc', 'crun'
  ]
RETURN DISTINCT process.name AS process, process.exe AS program, memory.path AS memory, use.operation AS operation,
  process.id AS id
