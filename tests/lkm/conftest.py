"""The harness of the boot tests is a folder of scripts beside the module; its tests import it by plain name."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lkm"))
