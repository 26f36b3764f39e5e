// SPDX-License-Identifier: GPL-2.0
/* Which writes are told: parameters append and paths, and what is no log at all. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "module.h"
#include "place.h"
#include "tags.h"

static void say(void *fd)
{
	must(write(*(int *)fd, "line\n", 5) == 5, "write: %m");
}

static void expect(struct tags *tags, int fd, bool told, const char *what)
{
	done(say, &fd);
	if (told)
		tags_only(tags, what);
	else
		tags_none(tags, what);
}

CHECK(appending, STEADY)
{
	int log = log_open("/tmp/selection.log"), file = plain_open("/tmp/selection");
	struct tags tags;

	tags_open(&tags);
	expect(&tags, log, true, "appending");
	expect(&tags, file, false, "not appending");
	sure(fcntl(file, F_SETFL, O_APPEND));
	expect(&tags, file, true, "made appending");
	sure(fcntl(file, F_SETFL, 0));
	expect(&tags, file, false, "made not appending");
	parameter_must("append", "N");
	expect(&tags, log, false, "appending, append=N");
	parameter_must("append", "Y");
	expect(&tags, log, true, "appending, append=Y again");
}

CHECK(no_files, STEADY)
{
	int pipes[2], sockets[2];
	struct tags tags;

	tags_open(&tags);
	parameter_must("paths", "/");
	sure(pipe(pipes));
	expect(&tags, pipes[1], false, "a pipe");
	sure(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	expect(&tags, sockets[0], false, "a socket");
	expect(&tags, sure(open("/dev/null", O_WRONLY | O_APPEND)), false, "a device");
	expect(&tags, sure(open("/dev/tty0", O_WRONLY | O_APPEND | O_NOCTTY)), false, "a terminal");
}

static void in_root(void *unused)
{
	(void)unused;
	sure(chroot("/tmp/jail"));
	int fd = sure(open("/logs/x", O_WRONLY | O_CREAT, 0644));
	say(&fd);
}

CHECK(paths, STEADY)
{
	struct tags tags;

	tags_open(&tags);
	int inside = plain_open("/tmp/logs/a"), beside = plain_open("/tmp/logsx/a");
	mkdir("/tmp/logs/deep", 0755);
	int deep = plain_open("/tmp/logs/deep/er");
	expect(&tags, inside, false, "no paths set");
	parameter_must("paths", "/tmp/logs");
	expect(&tags, inside, true, "below");
	expect(&tags, deep, true, "far below");
	expect(&tags, beside, false, "a folder whose name begins the same");
	parameter_must("paths", "/nowhere,/tmp/logsx");
	expect(&tags, beside, true, "the second of two");
	expect(&tags, inside, false, "of no folder set");
	mkdir("/tmp/jail", 0755);
	mkdir("/tmp/jail/logs", 0755);
	parameter_must("paths", "/logs");
	done(in_root, NULL);
	tags_only(&tags, "as a process sees it from its own root");
	parameter_must("paths", "/tmp/jail/logs");
	done(in_root, NULL);
	tags_none(&tags, "as others see it");
	sure(rename("/tmp/logs/a", "/tmp/logsx/b"));
	parameter_must("paths", "/tmp/logs");
	expect(&tags, inside, false, "moved out");
	parameter_must("paths", "/tmp/logsx");
	expect(&tags, inside, true, "moved in");
	parameter_must("paths", "");
	expect(&tags, inside, false, "paths emptied");
}

/* A deleted file's path ends with a remark; one that no process can name any more must not fault. */
CHECK(paths_strange, STEADY)
{
	char folder[200] = "/tmp/logs", path[4096] = "/tmp/logs";
	struct tags tags;

	tags_open(&tags);
	parameter_must("paths", "/tmp/logs");
	int fd = plain_open("/tmp/logs/gone");
	sure(unlink("/tmp/logs/gone"));
	expect(&tags, fd, true, "a deleted file");
	memset(folder, 'd', sizeof(folder) - 1);
	sure(chdir("/tmp/logs"));
	for (int depth = 0; depth < 60; depth++) { /* 12,000 characters: no buffer holds it */
		mkdir(folder, 0755);
		sure(chdir(folder));
	}
	fd = sure(open("deep", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	unsigned long long missed = statistic("missed");
	done(say, &fd);
	tags_read(&tags);
	note("a path of 12,000 characters: %zu told, %llu missed; ", tags.count - 1, statistic("missed") - missed);
	must(tags.count - 1 + statistic("missed") - missed == 1, "a path too long is neither told nor counted");
	fd = sure(open("deep", O_WRONLY | O_APPEND));
	expect(&tags, fd, true, "appending needs no path");
	mkdir("/tmp/logsx", 0755);
	sure(mount("none", "/tmp/logsx", "tmpfs", 0, NULL));
	fd = sure(open("/tmp/logsx/x", O_WRONLY | O_CREAT, 0644));
	snprintf(path, sizeof(path), "/tmp/logsx");
	parameter_must("paths", "/tmp/logsx");
	expect(&tags, fd, true, "on a mount");
	sure(umount2(path, MNT_DETACH));
	done(say, &fd);
	tags_read(&tags);
}
