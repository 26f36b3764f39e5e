"""How far an argument is followed back, unless told otherwise (here because it costs nothing to import).

Source: DisProTrack section IV-A: back-trace depth BT, 1 to 6 there. Measured: what is found still grows beyond 6, time
does not, because most arguments are put where they belong in the block of the call.
"""

from __future__ import annotations

from typing import Final

DEPTH: Final = 32
"""Block borders that the search for an argument crosses."""
