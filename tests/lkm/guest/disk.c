// SPDX-License-Identifier: GPL-2.0
/* A small disk of its own in memory, for what only a file system on a disk does. */
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "place.h"

static void run(char *const *words)
{
	pid_t child = sure(fork());
	if (!child) {
		execv("/bin/busybox", words);
		_exit(127);
	}
	ended(child);
}

void disk_mount(const char *path)
{
	char number[32];

	mkdir(path, 0755);
	unlink("/tmp/disk");
	int file = sure(open("/tmp/disk", O_RDWR | O_CREAT | O_TRUNC, 0600));
	int control = sure(open("/dev/loop-control", O_RDWR));

	sure(ftruncate(file, 8 << 20));
	run((char *[]){ "sh", "-c", "mke2fs -F /tmp/disk >/dev/null", NULL });
	snprintf(number, sizeof(number), "/dev/loop%d", sure(ioctl(control, LOOP_CTL_GET_FREE)));
	int loop = sure(open(number, O_RDWR));
	sure(ioctl(loop, LOOP_SET_FD, file));
	sure(mount(number, path, "ext4", 0, NULL));
	close(loop);
	close(control);
	close(file);
}
