"""One small function per event class, grouped by wire namespace."""
