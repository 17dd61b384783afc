"""
gunicorn for ``flask_service``: the kind of worker is a matter of taste.

Take ``sync`` for a few conversations at a time, each in a process; ``gthread``
for dozens in a process; ``gevent`` for hundreds that mostly wait.
"""

import os

wsgi_app = "flask_service:app"
worker_class = os.environ.get("WORKER_CLASS", "gthread")
workers = 2
threads = 20 if worker_class == "gthread" else 1
worker_connections = 200

# Longer than the longest answer, or gunicorn kills a sync worker that still waits:
# connect_timeout + timeout + close_timeout of the client.
timeout = 30

# After SIGTERM requests that are under way may finish; their sessions close then.
graceful_timeout = 30

# The client is made in each worker, and gevent patches before it is. Sessions that
# were open before the fork would raise ForkedSession.
preload_app = False
