// SPDX-License-Identifier: GPL-2.0
/*
 * A 32-bit program, without a library: it writes to the descriptor 1 by the old system calls.
 *
 * Built by itself (gcc -m32 -nostdlib); compat.c runs it and knows what it writes.
 */
typedef unsigned int u32;

struct iovec32 {
	u32 base, size;
};

static int call(u32 number, u32 a, u32 b, u32 c, u32 d, u32 e)
{
	int got;

	__asm__ volatile("int $0x80" : "=a"(got) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
	return got;
}

static const char one[] = "one", two[] = "twenty-two", three[] = "three hundred", four[] = "four";

void _start(void)
{
	struct iovec32 parts[] = { { (u32)one, 3 }, { (u32)two, 10 }, { 0, 0 }, { (u32)three, 13 } };
	int bad = 0;

	bad |= call(4, 1, (u32)one, 3, 0, 0) != 3;		   /* write */
	bad |= call(146, 1, (u32)parts, 4, 0, 0) != 26;		   /* writev */
	bad |= call(181, 1, (u32)four, 4, 0, 0) != 4;		   /* pwrite64: appending, all the same */
	bad |= call(334, 1, (u32)parts, 2, 0, 0) != 13;		   /* pwritev */
	call(1, bad, 0, 0, 0, 0);				   /* exit */
	__builtin_unreachable();
}
