"""
A Django service in one file: a question over HTTP, an answer.

Run it with Django's own server, or with any WSGI server::

    python -m pip install . django
    python django_service.py runserver --noreload
    gunicorn django_service:application
"""

from __future__ import annotations

import json
import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from realtime_sync import RealtimeClient, errors

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("SECRET_KEY", "only-for-trying-it-out"),
)

# One client for the process: it holds the key and the defaults, and no connection.
client = RealtimeClient(connect_timeout=5, timeout=20, close_timeout=2)


@csrf_exempt
@require_POST
def ask(request: HttpRequest) -> JsonResponse:
    """Answer ``{"question": ...}``."""
    question = json.loads(request.body)["question"]
    try:
        with client.connect("gpt-realtime-2.1") as session:
            reply = session.ask(question)
    except errors.WaitTimeout:
        return JsonResponse({"error": "no answer in time"}, status=504)
    except (errors.ConnectFailed, errors.ConnectionClosed) as error:
        return JsonResponse({"error": str(error)}, status=502)
    return JsonResponse({"answer": reply.text})


urlpatterns = [path("ask", ask)]
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
