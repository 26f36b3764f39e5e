// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What the command line asks for, checked.
 *
 * Rules of this file
 *     - Numbers are decimal digits within their range, folders absolute and without "." or ".."; all else is refused,
 *       with the offending text.
 *     - Lists are bounded; what is too much is refused, not cut.
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "options.h"

#define MIN_BUFFER 4096ull
#define MAX_BUFFER (1ull << 30)
#define KEPT_FREE 3 /* of the list of the excluded: the helper and its parent */

const char options_help[] =
	"winnower-tags: tags of log writes, by eBPF, as records of winnower_tag.h on stdout.\n"
	"  --mode auto|fexit|kretprobe|sys_exit  how to see writes (auto: the first of these that the kernel lets us)\n"
	"  --cgroup ID      only writes of this cgroup (inode of its folder in cgroup2) and below it; up to 64\n"
	"  --exclude PID    not this process; up to 125 (itself and its parent never)\n"
	"  --path FOLDER    files below it even if not open for appending; as the writer sees it; up to 16\n"
	"  --no-append      only files below --path\n"
	"  --buffer BYTES   of the ring, a power of two from 4096 to 1073741824 (8388608)\n"
	"Ends when stdin or stdout is closed, or by SIGTERM. On stderr: JSON lines (ready, totals).\n";

static bool refuse(char *why, int room, const char *what, const char *text)
{
	snprintf(why, room, "%s: %.300s", what, text);
	return false;
}

/* Decimal digits, at most `most`. */
static bool number(const char *text, __u64 most, __u64 *value)
{
	*value = 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		int digit = *text - '0';

		if (!isdigit((unsigned char)*text) || *value > (most - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	return true;
}

/* "/var//log/" is "/var/log/": one slash at each place and one at the end, as the program builds its keys. */
static bool folder(const char *text, struct folder *folder)
{
	size_t length = 0;

	if (*text != '/')
		return false;
	memset(folder, 0, sizeof(*folder));
	while (*text) {
		size_t name;

		text += strspn(text, "/");
		name = strcspn(text, "/");
		if ((name == 1 && text[0] == '.') || (name == 2 && !memcmp(text, "..", 2)))
			return false;
		if (length + 1 + name + 1 > MAX_PATH)
			return false;
		folder->path[length++] = '/';
		memcpy(folder->path + length, text, name);
		length += name;
		text += name;
	}
	if (length > 1 && folder->path[length - 1] != '/')
		folder->path[length++] = '/';
	folder->bits = 8 * length;
	return true;
}

static bool add_cgroup(struct options *o, const char *text, char *why, int room)
{
	if (o->cgroups == MAX_CGROUPS)
		return refuse(why, room, "more than 64 --cgroup", text);
	if (!number(text, ULLONG_MAX, &o->cgroup[o->cgroups]) || !o->cgroup[o->cgroups])
		return refuse(why, room, "--cgroup is no number", text);
	o->cgroups++;
	return true;
}

static bool add_excluded(struct options *o, const char *text, char *why, int room)
{
	__u64 value;

	if (o->excluded == MAX_EXCLUDED - KEPT_FREE)
		return refuse(why, room, "more than 125 --exclude", text);
	if (!number(text, INT_MAX, &value) || !value)
		return refuse(why, room, "--exclude is no process number", text);
	o->exclude[o->excluded++] = value;
	return true;
}

static bool add_folder(struct options *o, const char *text, char *why, int room)
{
	if (o->folders == MAX_FOLDERS)
		return refuse(why, room, "more than 16 --path", text);
	if (!folder(text, &o->folder[o->folders]))
		return refuse(why, room, "--path is no absolute folder of at most 254 bytes, without . and ..", text);
	o->folders++;
	return true;
}

static bool set_mode(struct options *o, const char *text, char *why, int room)
{
	static const char *const names[] = { "auto", "fexit", "kretprobe", "sys_exit" };

	for (int i = 0; i < 4; i++) {
		if (!strcmp(text, names[i])) {
			o->mode = i;
			return true;
		}
	}
	return refuse(why, room, "--mode is none of auto, fexit, kretprobe, sys_exit", text);
}

static bool set_buffer(struct options *o, const char *text, char *why, int room)
{
	__u64 value;

	if (!number(text, MAX_BUFFER, &value) || value < MIN_BUFFER || (value & (value - 1)))
		return refuse(why, room, "--buffer is no power of two from 4096 to 1073741824", text);
	o->buffer = value;
	return true;
}

static const struct {
	const char *name;
	bool (*take)(struct options *o, const char *text, char *why, int room);
} known[] = {
	{ "--cgroup", add_cgroup },
	{ "--exclude", add_excluded },
	{ "--path", add_folder },
	{ "--mode", set_mode },
	{ "--buffer", set_buffer },
};

static bool take(struct options *o, const char *name, const char *text, char *why, int room)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name, known[i].name))
			continue;
		return text ? known[i].take(o, text, why, room) : refuse(why, room, "an option without a value", name);
	}
	return refuse(why, room, "unknown option", name);
}

bool options_read(struct options *o, int count, char *const *arguments, char *why, int room)
{
	memset(o, 0, sizeof(*o));
	o->append = true;
	o->buffer = 8 << 20;
	for (int i = 1; i < count; i++) {
		if (!strcmp(arguments[i], "--no-append")) {
			o->append = false;
			continue;
		}
		if (!take(o, arguments[i], i + 1 < count ? arguments[i + 1] : NULL, why, room))
			return false;
		i++;
	}
	if (!o->append && !o->folders)
		return refuse(why, room, "nothing to tag", "--no-append without --path");
	return true;
}

bool options_want_help(int count, char *const *arguments)
{
	return count == 2 && (!strcmp(arguments[1], "--help") || !strcmp(arguments[1], "-h"));
}
