/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A check: a function that runs in a process of its own and says what it found, once.
 *
 * Rules of this file
 *     - CHECK(name, STEADY or PATCHING) { … } in any file registers it; main.c runs it.
 *     - A check that returns has passed; fail() and skip() end it. Whatever it changed in the module main.c puts back.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#define STEADY "steady"
#define BRIEF "brief"	    /* only by name: less of another check */
#define PATCHING "patching" /* the kernel's text is changed while it runs: see lkm/boot/qemu.py */

struct check {
	const char *name;
	const char *kind;
	void (*run)(void);
} __attribute__((aligned(32)));

#define CHECK(word, sort)                                                                          \
	static void check_##word(void);                                                            \
	static const struct check entry_##word                                                     \
		__attribute__((section("checks"), used)) = { #word, sort, check_##word };        \
	static void check_##word(void)

void passed(void); /* with what was noted */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#define must(condition, ...)                                                                       \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail(__VA_ARGS__);                                                         \
	} while (0)

/* A system call that has to work. */
#define sure(call)                                                                                 \
	({                                                                                         \
		__auto_type got_ = (call);                                                         \
		if (got_ == (__typeof__(got_))-1)                                                  \
			fail("%s:%d: %s: %m", __FILE_NAME__, __LINE__, #call);                     \
		got_;                                                                              \
	})

int verdict_to(int fd); /* where the three above write to */

#endif
