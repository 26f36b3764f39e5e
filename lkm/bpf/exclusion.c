// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Processes that are never tagged: the helper, its parent, and those that it was told.
 *
 * Rules of this file
 *     - A number is excluded as long as its process lives (pidfd): whoever gets the number later is tagged.
 *     - Numbers are those of the helper's own pid namespace; the program looks them up there.
 *     - A process that is gone already excludes nobody.
 */
#define _GNU_SOURCE
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "exclusion.h"

#define FIRST_NAMESPACE 0xeffffffcu /* PROC_PID_INIT_INO */

/* Inode of the helper's pid namespace, or 0 if it is the first one. */
__u32 exclusion_namespace(void)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || (__u32)st.st_ino == FIRST_NAMESPACE)
		return 0;
	return st.st_ino;
}

static void add(struct exclusion *e, __u32 process)
{
	__u8 yes = 1;
	int watch;

	if (e->count == MAX_EXCLUDED)
		return;
	watch = syscall(SYS_pidfd_open, process, 0);
	if (watch < 0)
		return;
	bpf_map_update_elem(e->map, &process, &yes, BPF_ANY);
	e->process[e->count] = process;
	e->watch[e->count++] = watch;
}

void exclusion_begin(struct exclusion *e, int map, const struct options *o)
{
	e->map = map;
	e->count = 0;
	add(e, getpid());
	add(e, getppid());
	for (int i = 0; i < o->excluded; i++)
		add(e, o->exclude[i]);
}

/* What to poll for, one for each; how many. */
int exclusion_polls(const struct exclusion *e, struct pollfd *polls)
{
	for (int i = 0; i < e->count; i++)
		polls[i] = (struct pollfd){ .fd = e->watch[i], .events = POLLIN };
	return e->count;
}

/* Let go of those that ended; `polls` are the answers, in the same order. */
void exclusion_ended(struct exclusion *e, const struct pollfd *polls)
{
	int kept = 0;

	for (int i = 0; i < e->count; i++) {
		if (polls[i].revents) {
			bpf_map_delete_elem(e->map, &e->process[i]);
			close(e->watch[i]);
			continue;
		}
		e->process[kept] = e->process[i];
		e->watch[kept++] = e->watch[i];
	}
	e->count = kept;
}
