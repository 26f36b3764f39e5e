"""Functions of well-known libraries that are given a program's messages, and how: the seeds of the search for loggers.

Rules of this file
    - Data only, and only libraries that many programs share (libc, APR, GLib, OpenSSL, libsystemd, libstdc++): an
      application's own functions are found, never listed.
    - `format` is a printf format; without it the text stands as it is. Only formats are followed into wrappers.

Source: stdio(3), syslog(3), err(3), error(3); glibc debug/ (the checking variants: a flag before the format);
apr_strings.h, apr_lib.h, apr_file_io.h; Itanium C++ ABI names of libstdc++.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Sink = Literal["emits", "formats", "unknown"]


@dataclass(frozen=True, slots=True)
class Logger:
    """A function whose `argument`-th parameter (from 0) is a message, or its format.

    `level` is the parameter that is a syslog priority (-1: none), `size` those whose product is the text's length,
    `shown` its name. With `stream` the text is a piece of a message (C++).
    """

    argument: int
    format: bool = True
    sink: Sink = "unknown"
    level: int = -1
    newline: bool = False
    size: tuple[int, ...] = ()
    shown: str = ""
    stream: bool = False


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_EMITS: Final = (
    "0 printf vprintf warn warnx vwarn vwarnx g_print g_printerr "
    "1 fprintf vfprintf dprintf vdprintf err errx verr verrx __printf_chk __vprintf_chk "
    "apr_file_printf BIO_printf BIO_vprintf g_fprintf obstack_printf obstack_vprintf "
    "2 __fprintf_chk __vfprintf_chk __dprintf_chk __vdprintf_chk error "
    "4 error_at_line"
)
_FORMATS: Final = (
    "0 g_strdup_printf g_strdup_vprintf "
    "1 sprintf vsprintf asprintf vasprintf apr_psprintf apr_pvsprintf g_string_printf g_string_append_printf "
    "2 snprintf vsnprintf __asprintf_chk __vasprintf_chk apr_snprintf apr_vsnprintf apr_vformatter BIO_snprintf "
    "BIO_vsnprintf ERR_set_error ERR_vset_error g_snprintf g_vsnprintf "
    "3 __sprintf_chk __vsprintf_chk "
    "4 __snprintf_chk __vsnprintf_chk"
)
_STREAM: Final = "_ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_PKc"
_INSERT: Final = "_ZSt16__ostream_insertIcSt11char_traitsIcEERSt13basic_ostreamIT_T0_ES6_PKS3_l"


def _group(words: str, sink: Sink) -> dict[str, Logger]:
    found: dict[str, Logger] = {}
    argument = 0
    for word in words.split():
        if word.isdigit():
            argument = int(word)
        else:
            found[word] = Logger(argument, True, sink, shown=word)
    return found


def _plain(name: str, argument: int, newline: bool = False, size: tuple[int, ...] = ()) -> dict[str, Logger]:
    return {name: Logger(argument, False, "emits", newline=newline, size=size, shown=name)}


SEEDS: Final[dict[str, Logger]] = {
    **_group(_EMITS, "emits"),
    **_group(_FORMATS, "formats"),
    "syslog": Logger(1, True, "emits", 0, shown="syslog"),
    "vsyslog": Logger(1, True, "emits", 0, shown="vsyslog"),
    "__syslog_chk": Logger(2, True, "emits", 0, shown="__syslog_chk"),
    "__vsyslog_chk": Logger(2, True, "emits", 0, shown="__vsyslog_chk"),
    "sd_journal_print": Logger(1, True, "emits", 0, shown="sd_journal_print"),
    "sd_journal_printv": Logger(1, True, "emits", 0, shown="sd_journal_printv"),
    "sd_journal_print_with_location": Logger(4, True, "emits", 0, shown="sd_journal_print_with_location"),
    "g_log": Logger(2, True, "emits", shown="g_log"),
    "g_logv": Logger(2, True, "emits", shown="g_logv"),
    **_plain("puts", 0, newline=True),
    **_plain("fputs", 0),
    **_plain("fputs_unlocked", 0),
    **_plain("fwrite", 0, size=(1, 2)),
    **_plain("fwrite_unlocked", 0, size=(1, 2)),
    **_plain("write", 1, size=(2,)),
    **_plain("perror", 0),
    **_plain("apr_file_puts", 0),
    **_plain("BIO_puts", 1),
    _STREAM: Logger(1, False, shown="operator<<", stream=True),
    _INSERT: Logger(1, False, size=(2,), shown="operator<<", stream=True),
}
"""By name of the symbol."""

EMITTERS: Final = words(
    "write writev pwrite pwritev fputs fputs_unlocked fputc fputc_unlocked putc _IO_putc putchar putchar_unlocked "
    "fwrite fwrite_unlocked puts printf vprintf fprintf vfprintf dprintf vdprintf __printf_chk __vprintf_chk "
    "__fprintf_chk __vfprintf_chk __dprintf_chk __vdprintf_chk syslog vsyslog __syslog_chk __vsyslog_chk perror err "
    "errx verr verrx warn warnx vwarn vwarnx error error_at_line fflush fflush_unlocked sd_journal_send "
    "sd_journal_sendv sd_journal_print apr_file_write apr_file_write_full apr_file_writev apr_file_puts "
    "apr_file_printf apr_file_putc apr_file_flush BIO_write BIO_puts BIO_printf g_log g_logv g_printerr "
    "_ZNSo5flushEv _ZNSo5writeEPKcl"
)
"""Functions that put text out of the program."""

OTHER_FORMATS: Final = words(
    "scanf fscanf sscanf vscanf vfscanf vsscanf __isoc99_scanf __isoc99_fscanf __isoc99_sscanf __isoc99_vsscanf "
    "__isoc23_sscanf __isoc23_fscanf __isoc23_scanf strftime strptime execl execlp execle open open64 openat fcntl "
    "fcntl64 ioctl prctl syscall semctl mremap swprintf wprintf fwprintf apr_strftime"
)
"""Variadic functions whose formats, if any, are no messages."""
