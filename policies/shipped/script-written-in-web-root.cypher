---
id: script-written-in-web-root
title: A web server writes a script where it serves scripts from
severity: high
technique: T1505.003
description: >
  A web server (or an interpreter of its own) creates or renames a file that it would execute when asked for it: an
  upload that became a web shell. Compiled templates and caches are left out by their directories.
false_positives:
  - content management systems that update themselves or install an extension through the web
references: ["https://attack.mitre.org/techniques/T1505/003/"]
---
MATCH (script:File)-[change:WAS_GENERATED_BY]->(server:Process)
WHERE (script.path STARTS WITH '/var/www/' OR script.path STARTS WITH '/usr/share/nginx/'
  OR script.path STARTS WITH '/srv/www/'
    OR script.path STARTS WITH '/srv/http/' OR script.path STARTS WITH '/usr/local/apache2/htdocs/'
    OR script.path CONTAINS '/webapps/')
  AND (script.name =~ '(?si).*\\.(php[3-8]?|phtml|phar|pht|jsp|jspx|jsw|war|asp|aspx|ashx|cgi|cfm|pl|py)'
    OR script.name = '.htaccess')
  AND change.operation IN ['open', 'create', 'write', 'rename', 'link', 'symlink', 'copy', 'mmap']
  AND NOT (script.path CONTAINS '/cache/' OR script.path CONTAINS '/storage/framework/'
    OR script.path CONTAINS '/templates_c/'
    OR script.path CONTAINS '/compiled/' OR script.path CONTAINS '/twig/' OR script.path CONTAINS '/generated/'
    OR script.path CONTAINS '/__pycache__/')
  AND (server.name IN [
    'apache2', 'httpd', 'nginx', 'lighttpd', 'caddy', 'java', 'php', 'php-cgi', 'uwsgi', 'w3wp', 'jsvc'
  ]
    OR server.name STARTS WITH 'php-fpm' OR server.name STARTS WITH 'tomcat')
RETURN DISTINCT script.path AS file, change.operation AS operation, server.name AS server, server.id AS id
