"""One connection to a server, and the commands that are sent over it."""
