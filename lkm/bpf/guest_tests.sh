# In a guest that has the host's root (--host): the tests of tests/lkm/test_bpf.py, in all three modes.
#     cd lkm; python3 -m boot run bpf/guest_tests.sh /tmp/static/winnower-tags --module none --host --seconds 600 \
#         --words "checkout=$PWD/.."
# Rules of this file
#     - Where the checkout is stands on the kernel's command line.
#     - Slow: five minutes of software emulation. `guest.sh` is the short form.
mkdir -p /root/tmp/built
cp /files/winnower-tags /root/tmp/built/
chmod 755 /root/tmp/built/winnower-tags
cat > /root/tmp/tests.sh <<'X'
ulimit -n 1024
cd "$1" || exit 1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin WINNOWER_BPF_BUILD=/tmp/built TMPDIR=/tmp PYTHONDONTWRITEBYTECODE=1
.venv/bin/python -m pytest -q -p no:cacheprovider --tb=short --basetemp=/tmp/pytest tests/lkm/test_bpf.py
X
checkout=$(sed -n 's/.*checkout=\([^ ]*\).*/\1/p' /proc/cmdline)
chroot /root sh /tmp/tests.sh "$checkout" > /tmp/said 2>&1
code=$?
cat /tmp/said
if [ $code = 0 ] && ! grep -q "s.*%" /tmp/said; then
	echo "RESULT bpf-tests ok" > $R
else
	echo "RESULT bpf-tests FAIL $(tail -1 /tmp/said)" > $R
fi
