"""The part of the API that is spoken over HTTP."""
