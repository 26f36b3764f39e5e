// SPDX-License-Identifier: GPL-2.0
/* Writes that fail or stop half-way: no tag, or one of exactly the bytes that were written. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"
#include "crc.h"
#include "facts.h"
#include "module.h"
#include "place.h"
#include "tags.h"

#define PAGE 4096

static ssize_t *came; /* what the writer's call returned */
static char *edge;    /* a page that can be read, before one that cannot */

static void too_much(void *fd)
{
	static char bytes[PAGE * 6];

	memset(bytes, 'n', sizeof(bytes));
	*came = write(*(int *)fd, bytes, sizeof(bytes));
}

static void bad_address(void *fd)
{
	*came = write(*(int *)fd, nowhere, 100);
}

static void half_bad(void *fd)
{
	*came = write(*(int *)fd, edge + PAGE - 100, 200);
}

static void half_bad_vector(void *fd)
{
	struct iovec parts[] = { { edge, 50 }, { nowhere, 100 } };

	*came = writev(*(int *)fd, parts, 2);
}

static void nothing(void *fd)
{
	*came = write(*(int *)fd, "", 0);
}

static void limited(void *fd)
{
	struct rlimit limit = { 1000, 1000 };
	char bytes[700];

	memset(bytes, 'l', sizeof(bytes));
	signal(SIGXFSZ, SIG_IGN);
	sure(setrlimit(RLIMIT_FSIZE, &limit));
	*came = write(*(int *)fd, bytes, sizeof(bytes));
	if (*came == sizeof(bytes))
		*came = write(*(int *)fd, bytes, sizeof(bytes));
}

/* The last tag, if the call wrote anything, is of its bytes as they are in the file. */
static void expect(struct tags *tags, int fd, void (*run)(void *), size_t told, const char *what)
{
	static char bytes[PAGE * 8];
	struct stat st;

	done(run, &fd);
	tags->count = 0;
	tags_read(tags);
	must(tags->count == told, "%s: %zu tags, not %zu (the call returned %zd)", what, tags->count, told, *came);
	note("%s %zd; ", what, *came);
	if (!told)
		return;
	const struct winnower_tag *tag = &tags->tag[told - 1];

	sure(fstat(fd, &st));
	must(tag->length == *came, "%s: %u bytes told of %zd", what, tag->length, *came);
	must(tag->offset + tag->length == (uint64_t)st.st_size, "%s: the tag ends at %llu, the file at %llu", what,
	     (unsigned long long)(tag->offset + tag->length), (unsigned long long)st.st_size);
	must(pread(fd, bytes, tag->length, tag->offset) == (ssize_t)tag->length, "%s: pread: %m", what);
	must(tag->hashed && crc32(bytes, tag->hashed) == tag->crc, "%s: other bytes", what);
}

CHECK(failures, STEADY)
{
	struct tags tags;

	came = mmap_shared(sizeof(*came));
	edge = sure(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memset(edge, 'e', PAGE);
	sure(munmap(edge + PAGE, PAGE));
	tags_open(&tags);
	int fd = log_open("/tmp/failures.log");
	expect(&tags, fd, bad_address, 0, "EFAULT");
	expect(&tags, fd, nothing, 0, "nothing");
	done(half_bad, &fd);
	bool partly = *came > 0;
	tags_forget(&tags);
	expect(&tags, fd, half_bad, partly, "half of it EFAULT");
	expect(&tags, fd, half_bad_vector, *came > 0 || partly, "half of a vector EFAULT");
	expect(&tags, log_open("/tmp/limited.log"), limited, 2, "RLIMIT_FSIZE");
	mkdir("/tmp/small", 0755);
	sure(mount("none", "/tmp/small", "tmpfs", 0, "size=16k"));
	fd = sure(open("/tmp/small/log", O_RDWR | O_CREAT | O_APPEND, 0644));
	expect(&tags, fd, too_much, 1, "ENOSPC, partly");
	expect(&tags, fd, too_much, 0, "ENOSPC");
	umount2("/tmp/small", MNT_DETACH);
}

#define ROUNDS 300

static void from_mapping(void *fd)
{
	char *far = sure(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, sure(open("/bin/busybox", O_RDONLY)), PAGE));

	for (int i = 0; i < ROUNDS; i++) {
		madvise(far, PAGE, MADV_DONTNEED); /* the page is not there until the write itself wants it */
		must(write(*(int *)fd, far, 200) == 200, "write: %m");
	}
}

/* Bytes that come from a page that has to be fetched: told in any case; hashed only if rightly. */
CHECK(absent_pages, STEADY)
{
	int fd = log_open("/tmp/absent.log"), hashed = 0;
	struct tags tags;
	char bytes[200];

	tags_open(&tags);
	done(from_mapping, &fd);
	tags_read(&tags);
	must(tags.count == ROUNDS, "%zu tags of %d", tags.count, ROUNDS);
	for (int i = 0; i < ROUNDS; i++) {
		must(pread(fd, bytes, sizeof(bytes), tags.tag[i].offset) == sizeof(bytes), "pread: %m");
		if (tags.tag[i].hashed)
			must(crc32(bytes, sizeof(bytes)) == tags.tag[i].crc, "tag %d: other bytes", i);
		hashed += !!tags.tag[i].hashed;
	}
	note("%d of %d hashed", hashed, ROUNDS);
}
