"""Tell whoever asked that an event has come: names, signals, handlers, streams."""
