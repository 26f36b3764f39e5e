"""Static analysis of an application's binaries: its log strings, which may follow which, its event-handling loops.

Rules of this package
    - Nothing here is imported by the agent's daemon at start: numpy, iced-x86 and angr load when a profile is made.
    - A binary is outside input: headers, counts and addresses in it are claims, checked against the file's bytes.
"""
