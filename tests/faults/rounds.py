"""How long the fault suite is: one number for all of it."""

from __future__ import annotations

import os

ROUNDS = int(os.environ.get("FAULTS_ROUNDS", "1"))
"""Multiplies counts: 1 is the short form, 10 the long one."""
