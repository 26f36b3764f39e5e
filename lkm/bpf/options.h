/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the command line asks for. */
#ifndef WINNOWER_OPTIONS_H
#define WINNOWER_OPTIONS_H

#include <stdbool.h>
#include <linux/types.h>

#include "shared.h"

enum mode {
	AUTO,
	FEXIT,
	KRETPROBE,
	SYS_EXIT,
};

struct options {
	enum mode mode;
	bool append;
	__u32 buffer;
	int cgroups;
	int excluded;
	int folders;
	__u64 cgroup[MAX_CGROUPS];
	__u32 exclude[MAX_EXCLUDED];
	struct folder folder[MAX_FOLDERS];
};

/* True if all of it is understood; else `why` says what is not. */
bool options_read(struct options *options, int count, char *const *arguments, char *why, int room);
bool options_want_help(int count, char *const *arguments);
extern const char options_help[];

#endif
