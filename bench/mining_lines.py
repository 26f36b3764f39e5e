# ruff: noqa: E501 - lines of logs are as long as they are
"""Lines of fourteen systems as they log, written from memory, with what kind of line each is.

Rules of this file
    - One line of `SYSTEMS` is one kind of line: how often it comes, then its text with values in angle brackets. `<ip>`
      is made up by `VALUES`, `<:up,down>` is one of a few. Which lines are one kind is our judgement: what one
      statement of the program prints, apart from names that loghub, as far as we remember, tells apart too.
    - Nothing is copied: the lines imitate HDFS, Hadoop, Spark, Zookeeper, BlueGene/L, a cluster, Thunderbird, Windows,
      Linux, macOS, Android, HealthApp, Proxifier and OpenStack, so that rules are not fitted to two files.
    - Made with a seed: the same lines every time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

_NAMES: Final = ("root", "admin", "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy")
_HOSTS: Final = ("db", "web", "cache", "mail", "node", "worker", "edge", "core")
_DOMAINS: Final = ("example.com", "corp.example.net", "dyn.provider.de", "users.isp.com.br", "static.telco.net.om")
_DIRS: Final = ("var", "usr", "home", "opt", "data", "lib", "cache", "tmp", "jobs", "spool", "shared", "stella")

VALUES: Final[Mapping[str, Callable[[Random], str]]] = {
    "int": lambda r: str(r.choice((r.randrange(10), r.randrange(1000), r.randrange(10**6)))),
    "neg": lambda r: str(r.randrange(-2000, 2000)),
    "big": lambda r: str(r.randrange(10**12, 10**18)),
    "float": lambda r: f"{r.random() * 100:.{r.randrange(1, 5)}f}",
    "port": lambda r: str(r.randrange(1024, 65536)),
    "ip": lambda r: ".".join(str(r.randrange(1, 255)) for _ in range(4)),
    "hex": lambda r: f"{r.randrange(16**8):08x}",
    "0x": lambda r: f"0x{r.randrange(16 ** r.randrange(2, 9)):x}",
    "long": lambda r: f"{r.randrange(16**32):032x}",
    "uuid": lambda r: "-".join(f"{r.randrange(16**n):0{n}x}" for n in (8, 4, 4, 4, 12)),
    "mac": lambda r: ":".join(f"{r.randrange(256):02x}" for _ in range(6)),
    "user": lambda r: r.choice(_NAMES) + r.choice(("", "", str(r.randrange(100)))),
    "host": lambda r: f"{r.choice(_HOSTS)}{r.choice(('', '-'))}{r.randrange(40)}.{r.choice(_DOMAINS)}",
    "node": lambda r: f"{r.choice(_HOSTS)}-{r.randrange(300)}",
    "path": lambda r: (
        "/" + "/".join(r.choice(_DIRS) for _ in range(r.randrange(2, 5))) + f"/{r.choice(_DIRS)}{r.randrange(99)}"
    ),
    "time": lambda r: f"{r.randrange(24):02}:{r.randrange(60):02}:{r.randrange(60):02}",
    "blk": lambda r: f"blk_{r.randrange(-(10**18), 10**18)}",
    "attempt": lambda r: (
        f"attempt_14{r.randrange(10**11)}_{r.randrange(99):04}_{r.choice('mr')}_{r.randrange(99):06}_0"
    ),
    "size": lambda r: f"{r.random() * 900:.1f} {r.choice(('B', 'KB', 'MB'))}",
    "day": lambda r: f"{r.choice(('Mon', 'Tue', 'Sat'))} {r.choice(('Jun', 'Jul'))} {r.randrange(10, 31)}",
    "bool": lambda r: r.choice(("true", "false")),
}

SYSTEMS: Final[Mapping[str, str]] = {
    "HDFS": """
300 Receiving block <blk> src: /<ip>:<port> dest: /<ip>:50010
300 BLOCK* NameSystem.addStoredBlock: blockMap updated: <ip>:50010 is added to <blk> size <int>
300 PacketResponder <int> for block <blk> terminating
290 Received block <blk> of size <int> from /<ip>
110 BLOCK* NameSystem.allocateBlock: /user/root/rand/_temporary/_task_<int>_0001_m_<int>_0/part-<int>. <blk>
220 BLOCK* NameSystem.delete: <blk> is added to invalidSet of <ip>:50010
260 Deleting block <blk> file <path>/subdir24/<blk>
20 Verification succeeded for <blk>
80 <ip>:50010 Served block <blk> to /<ip>
80 <ip>:50010:Got exception while serving <blk> to /<ip>:
5 BLOCK* ask <ip>:50010 to replicate <blk> to datanode(s) <ip>:50010
5 <ip>:50010 Starting thread to transfer block <blk> to <ip>:50010
2 writeBlock <blk> received exception java.io.IOException: Could not read from stream
2 Exception in receiveBlock for block <blk> java.io.IOException: Connection reset by peer
4 Changing block file offset of block <blk> from <int> to <int> meta file offset to <int>""",
    "Hadoop": """
120 Progress of TaskAttempt <attempt> is : <float>
60 Address change detected. Old: <node>/<ip>:9000 New: <node>:9000
300 Failed to renew lease for [DFSClient_NONMAPREDUCE_<big>_1] for <int> seconds.  Will retry shortly ...
300 Retrying connect to server: <node>:8030. Already tried <int> time(s); retry policy is RetryUpToMaximum(maxRetries=<int>, sleepTime=<int> MILLISECONDS)
90 ERROR IN CONTACTING RM.
90 Recalculating schedule, headroom=<memory:0, vCores:-27>
40 After Scheduling: PendingReds:<int> ScheduledMaps:<int> ScheduledReds:<int> AssignedMaps:<int> HostLocal:<int>
20 Assigned container container_14450<int>_01_<int> to <attempt>
20 <attempt> TaskAttempt Transitioned from NEW to UNASSIGNED
20 <attempt> TaskAttempt Transitioned from RUNNING to SUCCEEDED
16 Registering class org.apache.hadoop.<:yarn.a,mapreduce.v2.b,mapreduce.c,yarn.d,map.e>.EventType for class org.apache.hadoop.<:yarn,v2,x>.Dispatcher
9 JVM with ID : jvm_<int>_m_<int> asked for a task
9 JVM with ID: jvm_<int>_m_<int> given task: <attempt>
12 Opening proxy : <host>:<port>
9 Resolved <host> to /default-rack
5 Num completed Tasks: <int>
5 Auth successful for job_<int>_<int> (auth:SIMPLE)
3 Slow ReadProcessor read fields took <int>ms (threshold=30000ms); ack: seqno: <int> status: SUCCESS""",
    "Spark": """
400 Found block rdd_<int>_<int> locally
300 Finished task <float> in stage <float> (TID <int>). <int> bytes result sent to driver
300 Running task <float> in stage <float> (TID <int>)
300 Got assigned task <int>
60 Started reading broadcast variable <int>
60 Reading broadcast variable <int> took <int> ms
100 Block broadcast_<int>_piece0 stored as bytes in memory (estimated size <size>, free <size>)
40 Block rdd_<int>_<int> stored as values in memory (estimated size <size>, free <size>)
30 Input split: hdfs://<ip>:9000/<int>/logs/file.log:<int>+<int>
30 Times: total = <int>, boot = <neg>, init = <int>, finish = <int>
10 Saved output of task '<attempt>' to hdfs://<ip>:9000/out/<int>
10 <attempt>: Committed
5 Changing view acls to: yarn,curi
5 SecurityManager: authentication disabled; ui acls disabled; users with view permissions: Set(yarn, curi)
4 Successfully started service 'executor' on port <port>.
4 MemoryStore started with capacity <size>
3 Created local directory at <path>
3 Starting executor ID <int> on host <node>""",
    "Zookeeper": """
200 Received connection request /<ip>:<port>
150 Send worker leaving thread
150 Interrupted while waiting for message on queue
150 Connection broken for id <big>, my id = <int>, error =
140 Interrupting SendWorker
60 Cannot open channel to <int> at election address /<ip>:3888
50 Notification time out: <int>
80 Client attempting to establish new session at /<ip>:<port>
80 Established session <0x> with negotiated timeout <int> for client /<ip>:<port>
80 Closed socket connection for client /<ip>:<port> which had sessionid <0x>
20 Closed socket connection for client /<ip>:<port> (no session established for client)
80 Expiring session <0x>, timeout of <int>ms exceeded
60 Processed session termination for sessionid: <0x>
20 caught end of stream exception
80 Accepted socket connection from /<ip>:<port>
9 New election. My id =  <int>, proposed zxid=<0x>
9 Have smaller server identifier, so dropping the connection: (<int>, <int>)
3 shutdown of request processor complete
5 Server environment:java.version=<float>""",
    "BGL": """
300 instruction cache parity error corrected
500 generating core.<int>
80 ciod: failed to read message prefix on control stream (CioStream socket to <ip>:<port>
70 ciod: Error reading message prefix after LOGIN_MESSAGE on CioStream socket to <ip>:<port>: Link has been severed
80 data TLB error interrupt
70 <int> double-hummer alignment exceptions
70 <int> floating point alignment exceptions
80 CE sym <int>, at 0x<hex>, mask 0x<int>
60 ddr: activating redundant bit steering: rank=<int> symbol=<int>
60 total of <int> ddr error(s) detected and corrected
30 <int> ddr errors(s) detected and corrected on rank <int>, symbol <int>, bit <int>
30 rts: kernel terminated for reason <int>
40 iar <hex> dear <hex>
10 machine check enable.....................<int>
10 wait state enable..................<int>
10 problem state (0=sup,1=usr).......<int>
5 ciod: LOGIN chdir(<path>) failed: No such file or directory
5 MidplaneSwitchController performing bit sparing on R<int>-M1-L1-U18-A bit <int>
3 Node card VPD check: U<int> node in processor card slot J<int> do not match. VPD ecid <long>, found <hex>
3 exception syndrome register: 0x<hex>""",
    "HPC": """
150 boot (command <int>)
150 wait (command <int>)
100 halt (command <int>)
100 PSU status ( <:on,off> <:on,off> )
100 Temperature (<int>C) exceeds warning threshold
80 ambient=<int>
70 Link error on broadcast tree Interconnect-<int>T00:00:<int>:<int>
70 Linkerror event interval expired
60 Fan speeds ( <int> <int> <int> <:****,3552> <int> <int> )
70 node-<int> detected an available network connection on network <ip> via interface alt0
50 Targeting domains:node-D<int> and nodes:node-<:[4-7],[40-63],159> child of command <int>
50 Command has been aborted
50 Command has completed successfully
20 Component State Change: Component "alt0" is in the unavailable state (HWID=<int>)
9 ServerFileSystem: An ServerFileSystem domain panic has occurred on storage<int>
9 ClusterFileSystem: There is no server for ServerFileSystem domain storage<int>""",
    "Thunderbird": """
200 session opened for user <user> by (uid=<int>)
200 session closed for user <user>
200 (root) CMD (run-parts /etc/cron.hourly)
80 data_thread() got not answer from any [Thunderbird_<:A,B,C><int>] datasource
50 synchronized to <ip>, stratum <int>
60 DHCPDISCOVER from <mac> via eth1
60 DHCPOFFER on <ip> to <mac> via eth1
40 DHCPREQUEST for <ip> (<ip>) from <mac> via eth1
40 DHCPACK on <ip> to <mac> via eth1
50 [ib_sm_sweep.c:<int>]: No topology change
20 Losing some ticks... checking if CPU frequency changed.
20 connect from <host>
9 to=<<user>@example.com>, relay=<host>[<ip>], delay=<int>, status=sent (250 OK)
9 mptscsih: ioc0: attempting task abort! (sc=00000<hex>)""",
    "Windows": """
200 Loaded Servicing Stack v6.1.<int>.<int> with Core: C:\\Windows\\winsxs\\amd64_servicingstack_<long>_6.1.<int>_none_<hex>\\cbscore.dll
200 SQM: Initializing online with Windows opt-in: False
100 SQM: Cleaning up report files older than <int> days.
90 Warning: Unrecognized packageExtended attribute.
90 Expecting attribute name [HRESULT = <0x> - CBS_E_MANIFEST_INVALID_ITEM]
90 Failed to get next element [HRESULT = <0x> - CBS_E_MANIFEST_INVALID_ITEM]
120 Session: <int>_<int> initialized by client WindowsUpdateAgent.
200 Read out cached package applicability for package: Package_for_KB<int>~<long>~amd64~~6.1.1.2, ApplicableState: <int>, CurrentState:<int>
20 Starting TrustedInstaller initialization.
20 Ending TrustedInstaller initialization.
20 Startup processing thread terminated normally
20 Idle processing thread terminated normally
9 Reboot mark refs incremented to: <int>
9 <int>@2016/9/27:<time>.744 WcpInitialize (wcp.dll version 0.0.0.6) called (stack @0x<hex> @0x<hex>)
3 Unloading offline registry hive: {<uuid>}GLOBALROOT/Device/HarddiskVolume<int>""",
    "Linux": """
300 authentication failure; logname= uid=<int> euid=<int> tty=NODEVssh ruser= rhost=<ip>  user=<user>
200 authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=<host>
120 check pass; user unknown
80 session opened for user <user> by (uid=<int>)
80 session closed for user <user>
60 ALERT exited abnormally with [<int>]
200 connection from <ip> (<host>) at <day> <time> 2005
40 connection from <ip> () at <day> <time> 2005
20 Kerberos authentication failed
20 Authentication failed from <ip> (<ip>): Permission denied in replay cache code
20 ANONYMOUS FTP LOGIN FROM <ip>,  (anonymous)
9 creating device node '/udev/vcs<int>'
9 removing device node '/udev/vcs<int>'
5 getpeername (ftpd): Transport endpoint is not connected
9 User unknown timed out after <int> seconds at <day> <time> 2005
5 listening on IPv4 interface <:lo,eth0,eth1>, <ip>#53
2 Memory: <int>k/<int>k available (<int>k kernel code, <int>k reserved)""",
    "Mac": """
80 ARPT: <float>: wl0: setup_keepalive: Local port: <port>, Remote port: <port>
80 ARPT: <float>: wl0: wl_update_tcpkeep_seq: Original Seq: <big>, Ack: <big>, Win size: <int>
60 en0: BSSID changed to <mac>
60 AppleCamIn::systemWakeCall - messageType = 0xE<int>
60 Thunderbolt Self-Reset Count = 0x<hex>
60 QUICClientSessionPool: <0x> error <int>
50 tcp_connection_destination_prepare_complete <int> connectx to <ip>:443@0 failed: [<int>] Network is unreachable
40 nw_connection_get_connected_socket <int> is not connected
30 Wake reason: RTC (Alarm)
30 in6_unlink_ifa: IPv6 address 0x<hex> has no prefix
30 DeviceID(<int>): received notification <int> from host <host>
20 Bluetooth -- LE is supported - Disable LE meta event
20 [<time>.<int>] FAILURE: session <uuid> could not be restored
9 Captive: CNPluginHandler en0: Inactive
9 Captive: CNPluginHandler en0: Evaluating""",
    "Android": """
70 acquire lock=<int>, flags=<0x>, tag="View Lock", name=<:android,com.android.systemui>, ws=<:null,WorkSource{10113}>, uid=<int>, pid=<int>
60 acquire lock=<int>, flags=<0x>, tag="*launch*", name=<:android,com.android.systemui>, ws=<:null,WorkSource{10113}>, uid=<int>, pid=<int>
60 acquire lock=<int>, flags=<0x>, tag="RILJ_ACK_WL", name=com.android.phone, ws=null, uid=<int>, pid=<int>
90 release:lock=<int>, flg=0x0, tag="View Lock", name=com.android.systemui", ws=null, uid=<int>, pid=<int>
90 release:lock=<int>, flg=0x0, tag="RILJ_ACK_WL", name=com.android.phone", ws=null, uid=<int>, pid=<int>
150 ready=<bool>,policy=<int>,wakefulness=<int>,wksummary=<0x>,uasummary=<0x>,bootcompleted=true,boostinprogress=<bool>,mode=<bool>,manual=<int>,auto=-1,adj=0.0userId=0
100 setSystemUiVisibility vis=<int> mask=<int> oldVal=<int> newVal=<int> diff=<int> fullscreenStackVis=<int>, fullscreenStackBounds=Rect(<int>, <int> - <int>, <int>)
100 getRunningAppProcesses: caller <int> does not hold REAL_GET_TASKS; limiting output
60 getTasks: caller <int> does not hold REAL_GET_TASKS; limiting output
80 userActivityNoUpdateLocked: eventTime=<big>, event=<int>, flags=<0x>, uid=<int>
60 HBM brightnessIn =<int>
60 HBM brightnessOut =<int>
60 Animating brightness: target=<int>, rate=<int>
60 visible is system.time.showampm
60 visible is system.charge.show
60 mVisiblity.getValue is <bool>
40 Skipping AppWindowToken{<hex> token=Token{<hex> ActivityRecord{<hex> u0 com.x/.activity.Main t<int>}}} -- going to hide
40 startAnimation begin, allDrawn= <bool>, startingDisplayed =  <bool>, startingMoved =  <bool>
40 notifyUiVisibilityChanged:vis=<0x>, SystemUiVisibility=<0x>""",
    "HealthApp": """
300 getTodayTotalDetailSteps = <big>##<int>##<int>##<int>##<int>##<int>
300 setTodayTotalDetailSteps=<big>##<int>##<int>##<int>##<int>##<int>
200 onStandStepChanged <int>
150 onExtend:<big> <int> <int> <int>
200 calculateCaloriesWithCache totalCalories=<int>
200 calculateAltitudeWithCache totalAltitude=<int>
100 REPORT : <int> <int> <int> <int>
80 processHandleBroadcastAction action:android.intent.action.SCREEN_OFF
80 processHandleBroadcastAction action:android.intent.action.SCREEN_ON
60 flush sensor data
30 saveHealthDetailData() deleteTime = <big>
30 upLoadOneMinuteDataToEngine time=<int>,<int>,<int>,<int>,<int>
9 bulkSaveDetailHiHealthData() size = <int>, totalTimeSize = <int>, totalTime = <int>""",
    "Proxifier": """
400 <host>:<port> open through proxy proxy.cse.example.edu:5070 HTTPS
400 <host>:<port> close, <int> bytes sent, <int> bytes received, lifetime <:<1 sec,00:17,01:12>
300 <host>:<port> close, <int> bytes (<float> KB) sent, <int> bytes (<float> KB) received, lifetime <:<1 sec,00:17,01:12>
9 <host>:<port> error : Could not connect through proxy proxy.cse.example.edu:5070 - Proxy server cannot establish a connection with the target, status code 403
9 open through proxy <host>:5070 SOCKS5""",
    "OpenStack": """
400 <ip> "GET /v2/<long>/servers/detail HTTP/1.1" status: 200 len: <int> time: <float>
60 <ip> "POST /v2/<long>/os-server-external-events HTTP/1.1" status: 200 len: <int> time: <float>
60 <ip> "DELETE /v2/<long>/servers/<uuid> HTTP/1.1" status: 204 len: <int> time: <float>
40 [instance: <uuid>] VM Started (Lifecycle Event)
40 [instance: <uuid>] VM Paused (Lifecycle Event)
40 [instance: <uuid>] VM Resumed (Lifecycle Event)
30 [instance: <uuid>] Attempting claim: memory <int> MB, disk <int> GB, vcpus <int> CPU
30 [instance: <uuid>] Total memory: <int> MB, used: <float> MB
30 [instance: <uuid>] memory limit: <float> MB, free: <float> MB
30 [instance: <uuid>] disk limit not specified, defaulting to unlimited
30 [instance: <uuid>] vcpu limit not specified, defaulting to unlimited
30 [instance: <uuid>] Took <float> seconds to spawn the instance on the hypervisor.
30 [instance: <uuid>] Took <float> seconds to build instance.
30 [instance: <uuid>] Deleting instance files /var/lib/nova/instances/<uuid>_del
60 image <long> at (/var/lib/nova/instances/_base/<long>): checking
60 image <long> at (/var/lib/nova/instances/_base/<long>): in use: on this node <int> local, <int> on other nodes sharing
30 Creating event network-vif-plugged:<uuid> for instance <uuid>
20 During sync_power_state the instance has a pending task (spawning). Skip.
20 Auditing locally available compute resources for node <host>
20 Final resource view: name=<host> phys_ram=<int>MB used_ram=<int>MB phys_disk=<int>GB pci_stats=[]
9 Compute_service record updated for <host>:<host>
9 Active base files: /var/lib/nova/instances/_base/<long>""",
}

_HOLE: Final = re.compile(r"<(" + "|".join(VALUES) + r"|:[^>]*)>")


def lines_of(system: str, number: int = 2000, seed: int = 1) -> list[tuple[str, str]]:
    """So many lines of a system, in any order: the kind of line (its text with holes), and the line."""
    random = Random(f"{system} {seed}")
    kinds = [line.split(" ", 1) for line in SYSTEMS[system].strip().splitlines()]
    rows = random.choices([text for _, text in kinds], [int(weight) for weight, _ in kinds], k=number)
    rows[: len(kinds)] = [text for _, text in kinds]
    random.shuffle(rows)
    return [(text, _HOLE.sub(lambda found: _made(found[1], random), text)) for text in rows]


def _made(hole: str, random: Random) -> str:
    return random.choice(hole[1:].split(",")) if hole.startswith(":") else VALUES[hole](random)
