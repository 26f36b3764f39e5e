---
id: web-server-starts-shell
title: A web server starts a shell
severity: high
technique: T1505.003
description: >
  A shell among the descendants of a web server (at most three steps away: fork, exec, new versions of one process) is what a web
  shell or an injected command looks like. A container's start script is the other way round, a shell that becomes the server,
  and does not match.
false_positives:
  - applications that run commands on purpose (CGI scripts, PHP's mail() and exec(), converters started by Node or Java)
  - "`npm start` and other launchers whose runtime starts a shell to run a script"
  - a piped log of Apache (`|rotatelogs` runs through a shell)
---
MATCH (shell:Process)-[steps:WAS_TRIGGERED_BY*1..3]->(server:Process)
WHERE shell.name IN ['sh', 'bash', 'dash', 'zsh', 'ash', 'busybox']
  AND server.name =~ 'apache2|httpd|nginx|php-fpm.*|lighttpd|caddy|node|gunicorn.*|uwsgi|tomcat.*|java'
  // A signal or a debugger joins two processes as well, but starts nothing.
  AND all(step IN steps WHERE step.operation IN ['fork', 'clone', 'execve', 'version', 'unit'])
RETURN DISTINCT server.name AS server, shell.name AS shell, shell.command AS command, shell.id AS id
