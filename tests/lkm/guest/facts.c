// SPDX-License-Identifier: GPL-2.0
/*
 * What a tag has to say, from /proc, stat and the bytes themselves.
 *
 * Rules of this file
 *     - /proc is the first pid namespace's: its `self` is the number as the host sees it, getpid() the one inside.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "check.h"
#include "crc.h"
#include "facts.h"

static void text_of(const char *path, char *text, size_t size)
{
	int fd = sure(open(path, O_RDONLY | O_CLOEXEC));
	ssize_t got = sure(read(fd, text, size - 1));

	text[got] = '\0';
	text[strcspn(text, "\n")] = '\0';
	close(fd);
}

void facts_here(struct facts *facts)
{
	char text[512], path[600];
	struct stat st;

	memset(facts, 0, sizeof(*facts));
	ssize_t got = sure(readlink("/proc/thread-self", text, sizeof(text) - 1));
	text[got] = '\0';
	must(sscanf(text, "%u/task/%u", &facts->tgid, &facts->pid) == 2, "thread-self: %s", text);
	facts->inner_tgid = getpid();
	facts->inner_pid = gettid();
	sure(stat("/proc/self/ns/pid", &st));
	facts->namespace_id = st.st_ino;
	facts->uid = geteuid();
	text_of("/proc/thread-self/loginuid", text, sizeof(text));
	facts->auid = strtoul(text, NULL, 10);
	text_of("/proc/thread-self/cgroup", text, sizeof(text));
	must(!strncmp(text, "0::/", 4), "cgroup: %s", text);
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s", text + 3);
	sure(stat(path, &st));
	facts->cgroup = st.st_ino;
	prctl(PR_GET_NAME, facts->comm);
}

uint64_t nanos_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

#define same(field, expected)                                                                      \
	must((uint64_t)tag->field == (uint64_t)(expected), "%s: " #field " is %llu, not %llu", what, \
	     (unsigned long long)tag->field, (unsigned long long)(expected))

void tag_must(const struct winnower_tag *tag, const struct facts *facts, int fd, uint64_t offset, const void *bytes,
	      size_t size, const char *what)
{
	size_t hashed = size < WINNOWER_TAG_HASHED ? size : WINNOWER_TAG_HASHED;
	struct stat st;

	sure(fstat(fd, &st));
	same(inode, st.st_ino);
	same(major, major(st.st_dev));
	same(minor, minor(st.st_dev));
	same(offset, offset);
	same(length, size);
	same(hashed, hashed);
	same(crc, crc32(bytes, hashed));
	same(tgid, facts->tgid);
	same(pid, facts->pid);
	same(inner_tgid, facts->inner_tgid);
	same(inner_pid, facts->inner_pid);
	same(namespace_id, facts->namespace_id);
	same(uid, facts->uid);
	same(auid, facts->auid);
	same(cgroup, facts->cgroup);
	must(!strncmp(tag->comm, facts->comm, 16), "%s: comm is %.16s, not %.16s", what, tag->comm, facts->comm);
	must(!(tag->flags & WINNOWER_TAG_GUESSED), "%s: its offset is guessed", what);
}
