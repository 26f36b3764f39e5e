// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Writes by the 32-bit table of system calls from a 64-bit process: what a program of 32 bits does, without its libraries. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

static int narrow(int number, long b, long c, long d, long si, long di)
{
	int result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(b), "c"(c), "d"(d), "S"(si), "D"(di) : "memory");
	return result;
}

int main(int count, char **arguments)
{
	int file = count == 2 ? open(arguments[1], O_WRONLY) : -1;
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	unsigned int *parts = (unsigned int *)(low + 64);

	if (file < 0 || low == MAP_FAILED)
		return 2;
	memcpy(low, "narrowly", 8);
	parts[0] = parts[2] = (unsigned int)(long)low;
	parts[1] = 3;
	parts[2] += 3;
	parts[3] = 5;
	if (narrow(4, file, (long)low, 4, 0, 0) != 4)
		return 1;
	if (narrow(146, file, (long)parts, 2, 0, 0) != 8) /* writev */
		return 1;
	if (narrow(181, file, (long)low, 4, 5, 1) != 4) /* pwrite64, 5 and 1 << 32 */
		return 1;
	return narrow(334, file, (long)parts, 2, 14, 1) != 8; /* pwritev */
}
