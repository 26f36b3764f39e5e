---
id: listener-below-server
title: A program started by a server opens a listening socket
severity: high
technique: [T1571, T1205, T1505]
description: >
  A web server, a database or another service has, among its descendants, another program that waits for connections
  on the network: a bind shell or a proxy that came in through the service. Workers that have their server's own name
  do not match.
false_positives:
  - application servers that start further servers (Apache with Passenger, a Java launcher)
references: ["https://attack.mitre.org/techniques/T1571/"]
---
MATCH (socket:Socket)-[opens:WAS_GENERATED_BY]->(listener:Process)-[steps:WAS_TRIGGERED_BY*1..6]->(server:Process)
WHERE opens.operation IN ['bind', 'listen']
  AND socket.local IS NOT NULL AND coalesce(socket.family, '') IN ['inet', 'inet6']
  AND (server.name IN [
    'apache2', 'httpd', 'nginx', 'lighttpd', 'caddy', 'uwsgi', 'puma', 'unicorn', 'postgres', 'mysqld', 'mariadbd',
    'mongod', 'redis-server', 'memcached', 'slapd', 'proftpd', 'vsftpd', 'pure-ftpd', 'named', 'haproxy', 'squid',
    'smbd'
  ] OR server.name STARTS WITH 'php-fpm' OR server.name STARTS WITH 'gunicorn' OR server.name STARTS WITH 'uvicorn')
  AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'unit'])
  AND coalesce(listener.name, '') <> server.name
  AND NOT coalesce(listener.name, '') IN [
    'dig', 'host', 'nslookup', 'ping', 'snmpget', 'snmpwalk', 'ntpdate', 'traceroute', 'rotatelogs', 'sh', 'su'
  ]
  AND NOT coalesce(listener.name, '') STARTS WITH 'Passenger'
RETURN DISTINCT server.name AS server, listener.name AS listener, listener.exe AS program, socket.local AS local,
  listener.id AS id
