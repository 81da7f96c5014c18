"""Physically sensible raw frames, with the headers that the real recipes need, and their truth."""

from __future__ import annotations


class SimulationError(RuntimeError):
    """The physical model of the UVES format could not be run; says why."""
