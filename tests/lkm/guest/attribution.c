// SPDX-License-Identifier: GPL-2.0
/*
 * Several processes with threads, in pid namespaces and cgroups, with users and login users of their own, write one file.
 *
 * Every byte of the file must be told exactly once, by the tag of the thread that its line names; no gap, nothing else.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "facts.h"
#include "place.h"
#include "tags.h"

#define PROCESSES 6
#define THREADS 3
#define LINES 400
#define WRITERS (PROCESSES * THREADS)
#define LONGEST 700

static struct facts *facts; /* of each writer, shared by all processes */
static int file;

struct writer {
	int number;
};

static void *thread(void *with)
{
	int number = ((struct writer *)with)->number;
	char line[LONGEST + 2], name[16];

	snprintf(name, sizeof(name), "writer %d", number);
	prctl(PR_SET_NAME, name);
	facts_here(&facts[number]);
	for (int n = 0; n < LINES; n++) {
		int size = snprintf(line, sizeof(line), "writer=%d line=%d ", number, n);
		int length = size + (n * 37 + number * 11) % (LONGEST - size);

		memset(line + size, 'a' + n % 26, length - size);
		line[length - 1] = '\n';
		must(write(file, line, length) == length, "write: %m");
	}
	return NULL;
}

static void threads(int process)
{
	struct writer writers[THREADS];
	pthread_t started[THREADS];

	for (int t = 0; t < THREADS; t++) {
		writers[t].number = process * THREADS + t;
		pthread_create(&started[t], NULL, thread, &writers[t]);
	}
	for (int t = 0; t < THREADS; t++)
		pthread_join(started[t], NULL);
}

/* Even ones in a pid namespace of their own, odd ones in the first. */
static void process(void *with)
{
	int number = *(int *)with, status;
	char name[32];

	snprintf(name, sizeof(name), "writers-%d", number % 4);
	cgroup_make(name);
	cgroup_enter(name);
	int login = sure(open("/proc/self/loginuid", O_WRONLY));
	dprintf(login, "%d", 5000 + number);
	close(login);
	if (number % 2 == 0)
		sure(unshare(CLONE_NEWPID));
	pid_t child = sure(fork());
	if (!child) {
		sure(seteuid(1000 + number));
		threads(number);
		_exit(0);
	}
	waitpid(child, &status, 0);
	must(!status, "writers of process %d ended with status %x", number, status);
}

static int by_offset(const void *a, const void *b)
{
	const struct winnower_tag *one = a, *other = b;

	return one->offset < other->offset ? -1 : one->offset > other->offset;
}

static void compare(struct tags *tags, const char *bytes, size_t size, uint64_t begin, uint64_t end)
{
	int lines[WRITERS] = { 0 };
	size_t at = 0;

	qsort(tags->tag, tags->count, sizeof(*tags->tag), by_offset);
	for (size_t i = 0; i < tags->count; i++) {
		const struct winnower_tag *tag = &tags->tag[i];
		int writer = -1, line = -1;

		must(tag->offset == at, "tag %zu begins at %llu, not at %zu", i, (unsigned long long)tag->offset, at);
		must(at + tag->length <= size, "tag %zu is beyond the file", i);
		must(sscanf(bytes + at, "writer=%d line=%d ", &writer, &line) == 2 && writer >= 0 && writer < WRITERS,
		     "no line of ours at %zu", at);
		must(line == lines[writer]++, "writer %d: line %d", writer, line);
		must(bytes[at + tag->length - 1] == '\n', "the tag at %zu does not end with a line", at);
		tag_must(tag, &facts[writer], file, at, bytes + at, tag->length, "a line");
		must(tag->nanos >= begin && tag->nanos <= end, "time %llu", (unsigned long long)tag->nanos);
		must(tag->flags & WINNOWER_TAG_APPEND, "no flag for appending");
		at += tag->length;
	}
	must(at == size, "the tags end at %zu, the file at %zu", at, size);
}

CHECK(attribution, STEADY)
{
	pid_t children[PROCESSES];
	int numbers[PROCESSES], left = PROCESSES;
	struct tags tags;
	struct stat st;

	facts = mmap_shared(WRITERS * sizeof(*facts));
	file = log_open("/tmp/shared.log");
	tags_open(&tags);
	uint64_t begin = nanos_now();
	for (int p = 0; p < PROCESSES; p++) {
		numbers[p] = p;
		children[p] = start(process, &numbers[p]);
	}
	while (left) {
		struct pollfd ready = { .fd = tags.fd, .events = POLLIN };

		poll(&ready, 1, 20);
		tags_read(&tags);
		for (int p = 0; p < PROCESSES; p++)
			if (children[p] && waitpid(children[p], &(int){ 0 }, WNOHANG) > 0)
				children[p] = 0, left--;
	}
	tags_read(&tags);
	sure(fstat(file, &st));
	char *bytes = sure(mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, file, 0));
	must(tags.gaps == 0, "%llu gaps", tags.gaps);
	must(tags.count == WRITERS * LINES, "%zu tags of %d", tags.count, WRITERS * LINES);
	compare(&tags, bytes, st.st_size, begin, nanos_now());
	note("%zu of %d tags, %d threads, 3 new pid namespaces, 4 cgroups", tags.count, WRITERS * LINES, WRITERS);
}
