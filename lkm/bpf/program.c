// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The BPF program: loaded, attached, and what it counts.
 *
 * Rules of this file
 *     - Modes are tried from the best on; the first whose programs are verified and attached, all of them, is it.
 *     - A refusal is said in the kernel's own words, the last that libbpf gave, and with what an administrator may do.
 *     - Nothing is pinned: when the helper ends, however it ends, the kernel lets go of everything.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "clock.h"
#include "exclusion.h"
#include "program.h"

extern const char program_object[], program_object_end[];

static char last_words[400];

static const struct way {
	enum mode mode;
	const char *name;
	const char *programs[4]; /* in the order that they are attached in: returns before entries */
} ways[] = {
	{ FEXIT, "fexit", { "fexit_write", "fexit_writev" } },
	{ KRETPROBE, "kretprobe", { "return_write", "return_writev", "entry_write", "entry_writev" } },
	{ SYS_EXIT, "sys_exit", { "sys_exit" } },
};

/* Keep libbpf's first warning, or the verifier's last line: what it has against the program. */
static int listen(enum libbpf_print_level level, const char *format, va_list arguments)
{
	static char text[1 << 24];
	char *end;

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(text, sizeof(text), format, arguments);
	end = strstr(text, "\nprocessed ");
	if (end) {
		*end = '\0';
		end = strrchr(text, '\n');
		snprintf(last_words, sizeof(last_words), "%.390s", end ? end + 1 : text);
	}
	if (!end && !*last_words)
		snprintf(last_words, sizeof(last_words), "%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

/* CRC-32 (zlib's), eight bytes at a time: crc[k] is the byte's effect after k more bytes. */
static void crc_tables(__u32 crc[8][256])
{
	for (__u32 i = 0; i < 256; i++) {
		__u32 value = i;

		for (int bit = 0; bit < 8; bit++)
			value = value & 1 ? 0xedb88320u ^ (value >> 1) : value >> 1;
		crc[0][i] = value;
	}
	for (int k = 1; k < 8; k++)
		for (int i = 0; i < 256; i++)
			crc[k][i] = crc[0][crc[k - 1][i] & 255] ^ (crc[k - 1][i] >> 8);
}

static int map_of(struct bpf_object *object, const char *name)
{
	return bpf_object__find_map_fd_by_name(object, name);
}

static bool belongs(const struct way *way, const char *name)
{
	for (int i = 0; i < 4 && way->programs[i]; i++)
		if (!strcmp(way->programs[i], name))
			return true;
	return false;
}

/* The object with its settings and only the programs of one way. */
static int prepare(struct program *p, const struct way *way, const struct options *o)
{
	struct bpf_map *settings, *tags, *calls;
	struct bpf_program *program;

	p->object = bpf_object__open_mem(program_object, program_object_end - program_object, NULL);
	if (!p->object)
		return -errno;
	settings = bpf_object__find_map_by_name(p->object, ".rodata.settings");
	tags = bpf_object__find_map_by_name(p->object, "tags");
	calls = bpf_object__find_map_by_name(p->object, "calls");
	if (!settings || !tags || !calls)
		return -EINVAL;
	bpf_object__for_each_program(program, p->object)
		bpf_program__set_autoload(program, belongs(way, bpf_program__name(program)));
	bpf_map__set_autocreate(calls, way->mode == KRETPROBE);
	bpf_map__set_max_entries(tags, o->buffer);
	return bpf_map__set_initial_value(settings, &p->settings, sizeof(p->settings));
}

static int fill_lists(struct program *p, const struct options *o)
{
	int cgroups = map_of(p->object, "cgroups"), folders = map_of(p->object, "folders"), error = 0;
	__u8 yes = 1;

	for (int i = 0; i < o->cgroups && !error; i++)
		error = bpf_map_update_elem(cgroups, &o->cgroup[i], &yes, BPF_ANY);
	for (int i = 0; i < o->folders && !error; i++)
		error = bpf_map_update_elem(folders, &o->folder[i], &yes, BPF_ANY);
	return error;
}

static int attach(struct program *p, const struct way *way)
{
	for (int i = 0; i < 4 && way->programs[i]; i++) {
		struct bpf_program *program = bpf_object__find_program_by_name(p->object, way->programs[i]);
		struct bpf_link *link = program ? bpf_program__attach(program) : NULL;

		if (!link)
			return program ? -errno : -ENOENT;
		p->fds[p->links] = bpf_program__fd(program);
		p->link[p->links++] = link;
	}
	return 0;
}

static int begin(struct program *p, const struct way *way, const struct options *o)
{
	struct offsets offsets = clock_measure();
	int error = prepare(p, way, o);

	if (!error)
		error = bpf_object__load(p->object);
	if (!error)
		error = fill_lists(p, o);
	if (!error) {
		p->mode = way->name;
		p->tags = map_of(p->object, "tags");
		p->excluded = map_of(p->object, "excluded");
		p->counted = map_of(p->object, "counted");
		p->offsets = map_of(p->object, ".data.offsets");
		program_set_clock(p, &offsets);
		error = attach(p, way);
	}
	if (error)
		program_end(p);
	return error;
}

static const char *hint_for(int error, enum mode mode)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return "this kernel tells nothing of its types (CONFIG_DEBUG_INFO_BTF): use the kernel module";
	if (mode != AUTO && mode != SYS_EXIT)
		return "leave the choice to --mode auto";
	switch (error) {
	case -EPERM:
	case -EACCES:
		return "run it as root, or with CAP_BPF and CAP_PERFMON; in a container, privileged; "
		       "under lockdown=confidentiality the kernel lets nobody";
	case -ENOMEM:
		return "give it a smaller --buffer";
	}
	return "Linux 5.12 or later with BPF tracing is needed: else use the kernel module";
}

bool program_begin(struct program *p, const struct options *o, char *why, int room, const char **hint)
{
	int error = -EINVAL, said = 0;

	memset(p, 0, sizeof(*p));
	libbpf_set_print(listen);
	if (getrandom(&p->settings.load, sizeof(p->settings.load), 0) < 0)
		p->settings.load = getpid();
	p->settings.append = o->append;
	p->settings.folders = o->folders;
	p->settings.cgroups = o->cgroups;
	p->settings.numbers_of = exclusion_namespace();
	crc_tables(p->settings.crc);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (o->mode != AUTO && o->mode != ways[i].mode)
			continue;
		*last_words = '\0';
		error = begin(p, &ways[i], o);
		if (!error)
			return true;
		if (said < room)
			said += snprintf(why + said, room - said, "%s%s: %s (%.180s)", said ? "; " : "", ways[i].name,
					 strerror(-error), last_words);
	}
	*hint = hint_for(error, o->mode);
	return false;
}

void program_set_clock(const struct program *p, const struct offsets *offsets)
{
	__u32 first = 0;

	bpf_map_update_elem(p->offsets, &first, offsets, BPF_ANY);
}

/* Writes that a program was not run for, because it was running on that CPU already. */
static __u64 not_run(const struct program *p)
{
	__u64 sum = 0;

	for (int i = 0; i < p->links; i++) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);

		if (!bpf_obj_get_info_by_fd(p->fds[i], &info, &size))
			sum += info.recursion_misses;
	}
	return sum;
}

void program_count(const struct program *p, struct totals *t)
{
	int cpus = libbpf_num_possible_cpus();
	struct counts *each;
	__u32 first = 0;

	t->tagged = t->dropped = t->unwalked = 0;
	t->missed = not_run(p);
	each = calloc(cpus > 0 ? cpus : 1, sizeof(*each));
	if (!each || cpus <= 0 || bpf_map_lookup_elem(p->counted, &first, each))
		cpus = 0;
	for (int i = 0; i < cpus; i++) {
		t->tagged += each[i].sequence - each[i].dropped;
		t->dropped += each[i].dropped;
		t->missed += each[i].missed;
		t->unwalked += each[i].unwalked;
	}
	free(each);
}

void program_end(struct program *p)
{
	while (p->links)
		bpf_link__destroy(p->link[--p->links]);
	bpf_object__close(p->object);
	p->object = NULL;
}
