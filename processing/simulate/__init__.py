"""Physically sensible raw frames, with the headers that the real recipes need, and their truth."""
