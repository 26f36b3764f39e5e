/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The BPF object, as it was compiled, in the helper. */
	.section .rodata
	.global program_object, program_object_end
	.balign 16
program_object:
	.incbin OBJECT
program_object_end:
	.section .note.GNU-stack, "", @progbits
