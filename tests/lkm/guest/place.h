/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PLACE_H
#define PLACE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

extern void *volatile nowhere; /* an address that nothing is at */

int log_open(const char *path); /* new, for appending */
int plain_open(const char *path); /* new, not for appending */
void pinned(int cpu); /* this process, to one CPU */
pid_t start(void (*run)(void *), void *with); /* in a process of its own */
void ended(pid_t child); /* waits; it must have ended well */
void done(void (*run)(void *), void *with); /* both */
void disk_mount(const char *path); /* ext4 on a loop device */
void *mmap_shared(size_t size); /* memory that children share, of zeroes */
uint64_t cgroup_make(const char *name); /* below the root; its id */
void cgroup_enter(const char *name);

#endif
