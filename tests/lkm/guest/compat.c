// SPDX-License-Identifier: GPL-2.0
/* Writes of a 32-bit program: the same tags, the same hashes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "crc.h"
#include "place.h"
#include "tags.h"

#define PROGRAM "/files/compat32"

CHECK(compat, STEADY)
{
	static const char *const texts[] = { "one", "onetwenty-twothree hundred", "four", "onetwenty-two" };
	int fd = log_open("/tmp/compat.log"), status;
	struct tags tags;
	uint64_t at = 0;

	if (access(PROGRAM, X_OK))
		skip("no 32-bit program could be built");
	tags_open(&tags);
	pid_t child = sure(fork());
	if (!child) {
		dup2(fd, STDOUT_FILENO);
		execl(PROGRAM, PROGRAM, NULL);
		_exit(errno == ENOEXEC ? 99 : 98);
	}
	sure(waitpid(child, &status, 0));
	if (WEXITSTATUS(status) == 99)
		skip("this kernel runs no 32-bit programs");
	must(!status, "the program ended with status %x", status);
	tags_read(&tags);
	must(tags.count == 4, "%zu tags of 4", tags.count);
	for (int i = 0; i < 4; i++) {
		size_t size = strlen(texts[i]);

		must(tags.tag[i].offset == at && tags.tag[i].length == size, "write %d: %u bytes at %llu", i,
		     tags.tag[i].length, (unsigned long long)tags.tag[i].offset);
		must(tags.tag[i].hashed == size && tags.tag[i].crc == crc32(texts[i], size), "write %d: hash", i);
		must(tags.tag[i].tgid == (uint32_t)child && !strcmp(tags.tag[i].comm, "compat32"), "write %d: by %u", i,
		     tags.tag[i].tgid);
		at += size;
	}
	note("write writev pwrite64 pwritev");
}
