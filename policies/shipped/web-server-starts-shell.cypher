---
id: web-server-starts-shell
title: A web server starts a shell that runs commands
severity: high
technique: [T1505.003, T1059.004, T1190]
description: >
  A shell among the descendants of a web server, with commands of its own below it, is what a web shell or an injected
  command looks like. A container's start script is the other way round, a shell that becomes the server, and does not
  match; nor does a shell that the server starts only to run a converter, a mailer or another server (a route that
  calls gzip, a piped log, `npm start`).
false_positives:
  - applications that run other commands through a shell on purpose (CGI scripts, administration panels)
  - health checks and self-tests that a server starts itself
references: ["https://attack.mitre.org/techniques/T1505/003/"]
---
// Each step is a fork, an exec, a new version or a unit: a signal or a debugger joins two processes too, but starts
// nothing.
MATCH (command:Process)-[below:WAS_TRIGGERED_BY*1..4]->(shell:Process)-[steps:WAS_TRIGGERED_BY*1..4]->(server:Process)
WHERE shell.name IN ['sh', 'bash', 'dash', 'zsh', 'ash', 'ksh', 'busybox']
  AND (server.name IN [
    'apache2', 'httpd', 'nginx', 'lighttpd', 'caddy', 'node', 'uwsgi', 'java', 'puma', 'unicorn', 'w3wp'
  ]
    OR server.name STARTS WITH 'php-fpm' OR server.name STARTS WITH 'gunicorn' OR server.name STARTS WITH 'tomcat'
    OR server.name STARTS WITH 'uvicorn' OR server.name STARTS WITH 'hypercorn')
  AND all(step IN steps WHERE step.operation IN ['fork', 'execve', 'version', 'unit'])
  AND all(step IN below WHERE step.operation IN ['fork', 'execve', 'version', 'unit'])
  AND NOT coalesce(command.name, '') IN ['sh', 'bash', 'dash', 'zsh', 'ash', 'ksh']
  AND NOT coalesce(command.name, '') IN [
    'apache2', 'httpd', 'nginx', 'lighttpd', 'caddy', 'node', 'npm', 'yarn', 'uwsgi', 'java', 'puma', 'unicorn',
    'gunicorn', 'uvicorn', 'php', 'rotatelogs', 'cronolog', 'logger', 'sendmail', 'postdrop', 'exim4', 'msmtp',
    'ssmtp', 'git', 'svn', 'test', '[', 'true', 'gzip', 'gunzip', 'bzip2', 'xz', 'zstd', 'convert', 'magick',
    'identify', 'mogrify', 'gs', 'ffmpeg', 'ffprobe', 'exiftool', 'wkhtmltopdf', 'wkhtmltoimage', 'pdftotext',
    'pdftoppm', 'soffice.bin', 'oosplash', 'optipng', 'jpegoptim', 'pngquant', 'cwebp'
  ]
  AND NOT coalesce(command.exe, '') IN ['/usr/bin/env', '/bin/env']
RETURN DISTINCT server.name AS server, shell.name AS shell, command.name AS command, command.exe AS program,
  shell.id AS id
