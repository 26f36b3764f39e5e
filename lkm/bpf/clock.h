/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Real time as the program makes it: from a clock that BPF may read and an offset that the helper measures. */
#ifndef WINNOWER_CLOCK_H
#define WINNOWER_CLOCK_H

#include "shared.h"

struct offsets clock_measure(void);
int clock_watch(void);
void clock_seen(int watch);

#endif
