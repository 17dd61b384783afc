"""
The vocabulary of GPT-Live, which is a protocol of its own.

Nothing here is a dialect of Realtime: there are no items and no responses, and
an answer names the command that it answers.
"""
