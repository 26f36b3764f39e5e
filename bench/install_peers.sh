#!/usr/bin/env bash
# Install the audit tools that bench/peers.py runs beside us (Debian and its kin, as root): auditd's tools, libauparse, its Python binding, laurel.
#
# Rules of this file
#     - The machine audits afterwards exactly what it audited before: no daemon is started, no rule is loaded, laurel's plugin is left inactive.
#     - Only what this script caused is undone: an auditd that was already running is left alone, and is ended by its pid if it was not.
set -euo pipefail

packages=(auditd libauparse-dev python3-audit laurel gcc libc6-dev util-linux)
policy=/usr/sbin/policy-rc.d
plugin=/etc/audit/plugins.d/laurel.conf

[ "$(id -u)" = 0 ] || { echo "install_peers: run as root, for example: sudo bash bench/install_peers.sh" >&2; exit 2; }
command -v apt-get >/dev/null || { echo "install_peers: needs apt-get (Debian, Ubuntu)" >&2; exit 2; }

pid_of_auditd() { pgrep -x auditd || true; }
before=$(pid_of_auditd)
installed_before=$(dpkg-query -W -f '${Status}' auditd 2>/dev/null | grep -c 'install ok installed' || true)
plugin_before=$([ -e "$plugin" ] && echo yes || echo no)

# Debian starts what it installs unless this file says no; it is ours only if it was not there.
made_policy=no
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made_policy=yes
fi
trap '[ "$made_policy" = no ] || rm -f "$policy"' EXIT

export DEBIAN_FRONTEND=noninteractive
echo "install_peers: apt-get install ${packages[*]}"
apt-get -o DPkg::Lock::Timeout=300 -qq update
apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "${packages[@]}" >/dev/null </dev/null

# The package ships its plugin active; a plugin that was there before us is its owner's business.
if [ "$plugin_before" = no ] && [ -e "$plugin" ]; then
    sed -i 's/^active *= *yes/active = no/' "$plugin"
fi

after=$(pid_of_auditd)
if [ -z "$before" ] && [ -n "$after" ]; then
    echo "install_peers: stopping the auditd that the packages started (pid $after)"
    for pid in $after; do kill "$pid"; done
    grep -qw 'audit=1' /proc/cmdline || auditctl -e 0 >/dev/null 2>&1 || true
fi
# Nor at the next boot, unless auditd was here before us.
if [ "$installed_before" = 0 ]; then
    update-rc.d auditd disable >/dev/null 2>&1 || true
    if [ -d /run/systemd/system ]; then systemctl --quiet disable auditd.service || true; fi
fi
echo "install_peers: laurel's plugin: $(grep -s '^active' "$plugin" || echo absent); auditd running: $(pid_of_auditd | grep . || echo no)"
