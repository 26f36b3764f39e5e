---
id: credential-file-read
title: Keys or stored credentials are read by a general tool
severity: high
technique: [T1552.001, T1552.004, T1552.007]
description: >
  Private SSH keys, credentials of clouds, registries and clusters, and other processes' environments are read by a
  program that knows nothing of them: cat, cp, tar, grep, curl, a shell, or something in a temporary directory. The
  programs that they are made for (ssh, aws, kubectl, git) do not match.
false_positives:
  - start scripts that read a token or a key with `cat` to pass it on
  - administrators who move keys by hand; backups with tar
references: ["https://attack.mitre.org/techniques/T1552/"]
---
MATCH (reader:Process)-[use:USED]->(secret:File)
WHERE use.operation IN ['open', 'read', 'mmap', 'copy']
  AND NOT (secret.path STARTS WITH '/tmp/' OR secret.path STARTS WITH '/var/tmp/')
  AND (secret.path =~ '(?s).*/\\.ssh/(id_[a-z0-9_]+|identity)'
    OR secret.path ENDS WITH '/.aws/credentials' OR secret.path ENDS WITH '/.docker/config.json'
    OR secret.path ENDS WITH '/.dockercfg' OR secret.path ENDS WITH '/.kube/config'
    OR secret.path ENDS WITH '/.git-credentials'
    OR secret.path ENDS WITH '/.netrc' OR secret.path ENDS WITH '/.pgpass' OR secret.path ENDS WITH '/.my.cnf'
    OR secret.path ENDS WITH '/.vault-token' OR secret.path ENDS WITH '/.npmrc' OR secret.path ENDS WITH '/.pypirc'
    OR secret.path ENDS WITH '/application_default_credentials.json'
    OR secret.path ENDS WITH '/.config/gcloud/credentials.db'
    OR secret.path ENDS WITH '/.azure/accessTokens.json' OR secret.path ENDS WITH '/.azure/msal_token_cache.json'
    OR secret.path ENDS WITH '/kubernetes.io/serviceaccount/token' OR secret.path = '/etc/kubernetes/admin.conf'
    OR secret.path STARTS WITH '/etc/kubernetes/pki/' AND secret.path ENDS WITH '.key'
    OR secret.path =~ '(?s)/etc/ssh/ssh_host_[a-z0-9]+_key'
    OR secret.path =~ '/proc/[^/]+/environ' AND NOT secret.path STARTS WITH '/proc/self/')
  AND (reader.name IN [
    'cat', 'tac', 'cp', 'mv', 'tar', 'zip', 'gzip', '7z', '7za', 'rsync', 'dd', 'head', 'tail', 'less', 'more', 'nl',
    'od', 'xxd', 'strings', 'base64', 'base32', 'openssl', 'grep', 'egrep', 'fgrep', 'rg', 'awk', 'mawk', 'gawk',
    'sed', 'cut', 'tr', 'sort', 'xargs', 'tee', 'curl', 'wget', 'nc', 'ncat', 'socat', 'ftp', 'tftp', 'busybox', 'sh',
    'bash', 'dash', 'zsh', 'ash', 'ksh', 'perl', 'php', 'ruby'
  ] AND NOT (secret.path ENDS WITH '/.netrc' AND reader.name IN ['curl', 'wget', 'ftp'])
    OR reader.exe STARTS WITH '/tmp/' OR reader.exe STARTS WITH '/var/tmp/' OR reader.exe STARTS WITH '/dev/shm/')
RETURN DISTINCT secret.path AS secret, reader.name AS process, reader.exe AS program, reader.command AS command,
  reader.id AS id
