// SPDX-License-Identifier: GPL-2.0
/*
 * CRC-32 as zlib counts it, bit by bit from its definition: nothing of the kernel's own is used to check the kernel.
 *
 * Source: ISO 3309; the check value of "123456789" is cbf43926 (see calls.c).
 */
#include "crc.h"

uint32_t crc32(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	uint32_t crc = ~0u;

	while (size--) {
		crc ^= *at++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}
