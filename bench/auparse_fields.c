/*
 * auparse_fields LOG [interpreted]: walk every field of every record of a log with libauparse; print records and fields.
 *
 * Rules of this file
 *     - The least a C program must do to have read a log: name and value of each field, interpreted if asked for.
 *     - Values are summed by length, so that no compiler may leave the work out.
 *
 * Build: cc -O2 -o auparse_fields auparse_fields.c -lauparse    (Debian: libauparse-dev)
 */
#include <auparse.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	unsigned long records = 0, fields = 0, bytes = 0;
	int interpreted = argc > 2 && !strcmp(argv[2], "interpreted");
	auparse_state_t *log;

	if (argc < 2 || !(log = auparse_init(AUSOURCE_FILE, argv[1]))) {
		fprintf(stderr, "usage: auparse_fields LOG [interpreted]\n");
		return 2;
	}
	while (auparse_next_event(log) > 0) {
		auparse_first_record(log);
		do {
			records++;
			auparse_first_field(log);
			do {
				const char *name = auparse_get_field_name(log);
				const char *value = interpreted ? auparse_interpret_field(log) : auparse_get_field_str(log);

				fields++;
				bytes += (name ? strlen(name) : 0) + (value ? strlen(value) : 0);
			} while (auparse_next_field(log) > 0);
		} while (auparse_next_record(log) > 0);
	}
	auparse_destroy(log);
	printf("%lu records, %lu fields, %lu bytes\n", records, fields, bytes);
	return 0;
}
