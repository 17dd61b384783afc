"""What went over the wire, in a file."""
