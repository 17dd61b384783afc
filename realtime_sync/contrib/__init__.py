"""Doors to other people's engines, each behind an extra of its own."""
