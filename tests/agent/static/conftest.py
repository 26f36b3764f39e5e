"""Puts the helpers of these tests (`builds`, `poc_read`, …) where they find them by plain name."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
