// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Records on their way to stdout: gathered, and written as many at a time as fit.
 *
 * Rules of this file
 *     - Whole records only: a pipe takes pages, and a page is 32 records; any other file takes what poll says it can.
 *     - Never waits. What does not fit stays; while it does the ring is not read, fills, and drops: that is counted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "outlet.h"

#define PIPE_BYTES (1 << 20)

_Static_assert(sizeof(struct winnower_tag) == 128, "a page of a pipe is a whole number of records");

/* Our own open file, so that not to wait is nobody else's setting; where there is none (a socket), the flag. */
void outlet_prepare(void)
{
	int own = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_APPEND | O_CLOEXEC);

	if (own >= 0) {
		dup2(own, STDOUT_FILENO);
		close(own);
	} else {
		fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
	}
	fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES); /* refused above the user's limit: then it stays as it is */
}

/* False if that was the last that fits. */
bool outlet_put(struct outlet *o, const struct winnower_tag *tag)
{
	o->record[o->end++] = *tag;
	return o->end < OUTLET_RECORDS;
}

bool outlet_waits(const struct outlet *o)
{
	return o->begin < o->end * sizeof(o->record[0]);
}

/* False if nobody can read any more. */
bool outlet_flush(struct outlet *o)
{
	while (outlet_waits(o)) {
		size_t left = o->end * sizeof(o->record[0]) - o->begin;
		ssize_t sent = write(STDOUT_FILENO, (char *)o->record + o->begin, left);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN;
		o->begin += sent;
		o->bytes += sent;
	}
	o->begin = o->end = 0;
	return true;
}
