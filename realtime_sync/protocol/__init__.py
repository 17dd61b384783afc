"""
The vocabulary of the protocol and its spelling on the wire.

Nothing in this package owns a thread, a socket or a clock.
"""
