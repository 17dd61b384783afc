"""A conversation over one connection after another."""
