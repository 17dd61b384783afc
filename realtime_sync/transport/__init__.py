"""Reach a server and move whole messages to and from it."""
