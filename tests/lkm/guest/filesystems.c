// SPDX-License-Identifier: GPL-2.0
/* The same write on several file systems: device and inode are what stat says where the writer sees the file. */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "facts.h"
#include "module.h"
#include "place.h"
#include "tags.h"

static struct facts *facts;

static void twice(void *fd)
{
	facts_here(facts);
	must(write(*(int *)fd, "first ", 6) == 6 && write(*(int *)fd, "second", 6) == 6, "write: %m");
}

/* Two writes, two tags: a file system that passes a write on to another one must not be told twice. */
static void tell(const char *path, const char *what)
{
	int fd = sure(open(path, O_RDWR | O_CREAT | O_APPEND, 0644)), generation = 0;
	uint64_t at = lseek(fd, 0, SEEK_END);
	struct tags tags;

	tags_open(&tags);
	tags_forget(&tags);
	done(twice, &fd);
	tags_read(&tags);
	must(tags.count == 2, "%s: %zu tags of two writes", what, tags.count);
	tag_must(&tags.tag[0], facts, fd, at, "first ", 6, what);
	tag_must(&tags.tag[1], facts, fd, at + 6, "second", 6, what);
	if (!ioctl(fd, FS_IOC_GETVERSION, &generation))
		must(tags.tag[0].generation == (uint32_t)generation, "%s: generation %u, not %u", what,
		     tags.tag[0].generation, (uint32_t)generation);
	tags_close(&tags);
	close(fd);
	note("%s ", what);
}

CHECK(filesystems, STEADY)
{
	int new = 0;

	facts = mmap_shared(sizeof(*facts));
	for (const char **folder = (const char *[]){ "/tmp/over", "/tmp/over/lower", "/tmp/over/upper",
						     "/tmp/over/work", "/tmp/over/merged", "/tmp/bound", "/plain", NULL };
	     *folder; folder++)
		mkdir(*folder, 0755);
	close(sure(open("/tmp/over/lower/old", O_WRONLY | O_CREAT, 0644)));
	tell("/tmp/tmpfs.log", "tmpfs");
	tell("/plain/rootfs.log", "rootfs");
	sure(mount("/tmp", "/tmp/bound", NULL, MS_BIND, NULL));
	tell("/tmp/bound/tmpfs.log", "bind");
	umount("/tmp/bound");
	sure(mount("none", "/tmp/over/merged", "overlay", 0,
		   "lowerdir=/tmp/over/lower,upperdir=/tmp/over/upper,workdir=/tmp/over/work"));
	tell("/tmp/over/merged/new", "overlay");
	tell("/tmp/over/merged/old", "overlay-copied-up");
	umount("/tmp/over/merged");
	disk_mount("/tmp/ext4");
	tell("/tmp/ext4/log", "ext4-on-loop");
	new = open("/tmp/ext4/log", O_RDONLY);
	umount2("/tmp/ext4", MNT_DETACH);
	close(new);
}
