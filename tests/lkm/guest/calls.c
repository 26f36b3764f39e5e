// SPDX-License-Identifier: GPL-2.0
/* Each system call that writes a log: its bytes, where it put them, once. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"
#include "crc.h"
#include "facts.h"
#include "module.h"
#include "place.h"
#include "tags.h"

#define MANY 1024

struct call {
	const char *name;
	int fd;
	ssize_t (*run)(int fd);
	uint64_t offset;
	const char *bytes;
	size_t size;
	struct facts *facts;
};

static char many[MANY * 2];

static ssize_t plain(int fd)
{
	return write(fd, "plain", 5);
}

static ssize_t vector(int fd)
{
	struct iovec parts[] = { { "one", 3 }, { "", 0 }, { " two", 4 }, { NULL, 0 }, { " three", 6 } };

	return writev(fd, parts, 5);
}

static ssize_t vectors(int fd)
{
	struct iovec parts[MANY];

	for (int i = 0; i < MANY; i++)
		parts[i] = (struct iovec){ many + 2 * i, 2 };
	return writev(fd, parts, MANY);
}

static ssize_t at(int fd)
{
	return pwrite(fd, "placed", 6, 1000);
}

static ssize_t vector_at(int fd)
{
	struct iovec parts[] = { { "placed ", 7 }, { "twice", 5 } };

	return pwritev(fd, parts, 2, 2000);
}

static ssize_t appended(int fd)
{
	struct iovec parts[] = { { "appended", 8 } };

	return pwritev2(fd, parts, 1, 0, RWF_APPEND);
}

static ssize_t here(int fd)
{
	struct iovec parts[] = { { "here", 4 } };

	return pwritev2(fd, parts, 1, -1, 0);
}

static ssize_t large(int fd)
{
	static char bytes[100000];

	memset(bytes, 'x', sizeof(bytes));
	bytes[255] = 'y';
	bytes[256] = 'z';
	return write(fd, bytes, sizeof(bytes));
}

static void run(void *with)
{
	struct call *call = with;

	facts_here(call->facts);
	ssize_t got = call->run(call->fd);
	must(got == (ssize_t)call->size, "%s: %zd, %m", call->name, got);
}

static void told(struct tags *tags, struct call call)
{
	call.facts = mmap_shared(sizeof(struct facts));
	done(run, &call);
	tag_must(tags_only(tags, call.name), call.facts, call.fd, call.offset, call.bytes, call.size, call.name);
}

CHECK(calls, STEADY)
{
	struct tags tags;
	int log = log_open("/tmp/calls.log"), file = plain_open("/tmp/paths/calls");
	static char bytes[100000];

	must(crc32("123456789", 9) == 0xcbf43926, "this program's own CRC is wrong");
	for (int i = 0; i < MANY * 2; i++)
		many[i] = 'A' + i % 53;
	memset(bytes, 'x', sizeof(bytes));
	bytes[255] = 'y';
	bytes[256] = 'z';
	tags_open(&tags);
	parameter_must("paths", "/tmp/paths");
	told(&tags, (struct call){ "write", log, plain, 0, "plain", 5, NULL });
	told(&tags, (struct call){ "writev", log, vector, 5, "one two three", 13, NULL });
	told(&tags, (struct call){ "writev of 1024", log, vectors, 18, many, sizeof(many), NULL });
	told(&tags, (struct call){ "pwrite64, appending", log, at, 2066, "placed", 6, NULL });
	told(&tags, (struct call){ "write of 100 kB", log, large, 2072, bytes, sizeof(bytes), NULL });
	told(&tags, (struct call){ "write, not appending", file, plain, 0, "plain", 5, NULL });
	told(&tags, (struct call){ "pwrite64", file, at, 1000, "placed", 6, NULL });
	told(&tags, (struct call){ "pwritev", file, vector_at, 2000, "placed twice", 12, NULL });
	told(&tags, (struct call){ "pwritev2 RWF_APPEND", file, appended, 2012, "appended", 8, NULL });
	told(&tags, (struct call){ "pwritev2 here", file, here, 5, "here", 4, NULL });
	note("10 of 10 kinds");
}
