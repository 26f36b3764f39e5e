# In a guest: every way of seeing writes passes the verifier and is attached, with every filter; one write is told.
#     make -C lkm/bpf STATIC=1 BUILD=/tmp/static
#     cd lkm; python3 -m boot run bpf/guest.sh /tmp/static/winnower-tags --module none --kernel bookworm
# Rules of this file
#     - Busybox's sh; $R takes the results (see boot/). A mode that the kernel should have and has not is a failure.
for mode in fexit kretprobe sys_exit; do
	for options in "" "--cgroup 1" "--path /tmp" "--no-append --path /tmp --cgroup 1" "--exclude 1 --path /"; do
		rm -f /tmp/log /tmp/tags /tmp/said
		(
			until [ -s /tmp/said ]; do sleep 0.1; done
			echo line >> /tmp/log
			sleep 0.3
		) | /files/winnower-tags --mode $mode $options > /tmp/tags 2> /tmp/said
		cat /tmp/said
		name=$(echo $options | tr -cs 'a-z0-9\n' '-')
		if grep -q '"ready": true' /tmp/said && [ "$(head -c 4 /tmp/tags)" = WTAG ]; then
			echo "RESULT bpf-$mode$name ok" > $R
		else
			echo "RESULT bpf-$mode$name FAIL $(head -1 /tmp/said)" > $R
		fi
	done
done
