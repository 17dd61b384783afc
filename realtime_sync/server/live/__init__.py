"""
The server's side of GPT-Live, a protocol of its own.

There are no items and no responses: the session's clock is the audio that the
client appends, and the model talks and listens at the same time.
"""
