"""The mirror of a GPT-Live session: two timelines of speech, and work beside."""
