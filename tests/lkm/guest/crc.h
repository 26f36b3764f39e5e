/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CRC_H
#define CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32(const void *bytes, size_t size);

#endif
