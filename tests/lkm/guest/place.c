// SPDX-License-Identifier: GPL-2.0
/*
 * Files, processes and cgroups of a check.
 *
 * Rules of this file
 *     - The process of the check is the device's reader, whose own writes are not told: others write for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "place.h"

void *volatile nowhere = (void *)16;

int log_open(const char *path)
{
	unlink(path);
	return sure(open(path, O_RDWR | O_CREAT | O_APPEND, 0644));
}

int plain_open(const char *path)
{
	char folder[300];

	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = '\0';
	mkdir(folder, 0755);
	unlink(path);
	return sure(open(path, O_RDWR | O_CREAT, 0644));
}

void pinned(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sure(sched_setaffinity(0, sizeof(set), &set));
}

pid_t start(void (*run)(void *), void *with)
{
	pid_t child = sure(fork());

	if (!child) {
		run(with);
		_exit(0);
	}
	return child;
}

void ended(pid_t child)
{
	int status;

	sure(waitpid(child, &status, 0));
	must(WIFEXITED(status) && !WEXITSTATUS(status), "a process of the check ended with status %x", status);
}

void done(void (*run)(void *), void *with)
{
	ended(start(run, with));
}

void *mmap_shared(size_t size)
{
	return sure(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

uint64_t cgroup_make(const char *name)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", name);
	if (mkdir(path, 0755) && errno != EEXIST)
		fail("mkdir %s: %m", path);
	sure(stat(path, &st));
	return st.st_ino;
}

void cgroup_enter(const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/cgroup.procs", name);
	int fd = sure(open(path, O_WRONLY | O_CLOEXEC));
	sure(write(fd, "0", 1));
	close(fd);
}
