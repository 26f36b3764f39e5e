/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The BPF program: loaded, attached, and what it counts. */
#ifndef WINNOWER_PROGRAM_H
#define WINNOWER_PROGRAM_H

#include <stdbool.h>
#include <bpf/libbpf.h>

#include "options.h"
#include "say.h"
#include "shared.h"

struct program {
	const char *mode;
	struct bpf_object *object;
	struct settings settings;
	int tags;
	int excluded;
	int counted;
	int offsets;
	int links;
	struct bpf_link *link[4];
	int fds[4]; /* of the programs attached */
};

/* The first way of `options->mode` that the kernel takes; false with a reason and what to do about it. */
bool program_begin(struct program *program, const struct options *options, char *why, int room, const char **hint);
void program_set_clock(const struct program *program, const struct offsets *offsets);
void program_count(const struct program *program, struct totals *totals);
void program_end(struct program *program);

#endif
