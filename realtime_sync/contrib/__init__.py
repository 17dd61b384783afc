"""Calls in the workers of a task queue, and how many workers that takes."""
