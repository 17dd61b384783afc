"""The conversation mirror: pure functions from events to snapshots."""
