"""
The recipes for many machines: run, as far as this machine can, and read otherwise.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from realtime_sync import webhooks
from realtime_sync.server import Server, serve

from .test_services import ADDRESS, EXAMPLES, START, started

FOLDER = EXAMPLES / "fleet"
SECRET = "whsec_" + "c2VjcmV0" * 4
DRAIN = 600
"""Seconds that the recipes give calls to end."""

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="services of Unix: signals, systemd"
)


def ask(url: str, method: str = "GET", body: Any = None, **headers: str) -> Any:
    """The answer of the web page."""
    data = (
        body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    )
    request = urllib.request.Request(url, data=data, method=method)
    request.add_header("Content-Type", "application/json")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    with urllib.request.urlopen(request, timeout=START) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def wait_for_calls(page: str, count: int) -> list[dict[str, Any]]:
    """The calls, once there are so many that are open."""
    ends = time.monotonic() + START
    while True:
        calls: list[dict[str, Any]] = ask(f"{page}/calls")["calls"]
        if [each["state"] for each in calls] == ["open"] * count:
            return calls
        assert time.monotonic() < ends, calls
        threading.Event().wait(0.1)


def test_webhook_gives_the_call_to_a_worker(tmp_path: Path) -> None:
    """It comes twice; the call is answered once, shown, told something, and ended."""
    place = {"QUEUE_FOLDER": str(tmp_path), "OPENAI_WEBHOOK_SECRET": SECRET}
    worker = [sys.executable, "-m", "celery", "--workdir", "fleet", "--app", "calls"]
    worker += ["worker", "--queues", "calls", "--loglevel", "INFO"]
    with ExitStack() as stack:
        model: Server = stack.enter_context(serve(agent="echo"))
        celery = stack.enter_context(started(worker, model, **place))
        command = [sys.executable, "fleet/web.py"]
        front = stack.enter_context(started(command, model, **place))
        celery.wait_for(r"(celery@\S+ ready)")
        page = f"http://127.0.0.1:{front.wait_for(ADDRESS)}"
        call_id = model.ring()
        event = {"id": "evt_1", "type": "realtime.call.incoming", "object": "event"}
        event |= {"created_at": 1, "data": {"call_id": call_id, "sip_headers": []}}
        body = json.dumps(event).encode()
        now = int(time.time())
        signed = webhooks.sign(body, SECRET, webhook_id="wh_1", timestamp=now)
        for _ in range(2):
            ask(f"{page}/webhook", "POST", body, **signed)
        calls = wait_for_calls(page, 1)
        ask(f"{page}/calls/{call_id}/say", "POST", {"text": "One moment."})
        ended = ask(f"{page}/calls/{call_id}", "DELETE")
        again = ask(f"{page}/calls/{call_id}", "DELETE")
        wait_for_calls(page, 0)
        codes = front.end(signal.SIGINT), celery.end(signal.SIGTERM)

        assert [call_id] == [each["id"] for each in calls]
        assert (True, False) == (ended["ended"], again["ended"])
        assert 1 == len(model.sessions)
        assert (0, 0) == codes, front.text + celery.text


def manifests() -> list[dict[str, Any]]:
    """What is given to Kubernetes."""
    return list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))


VERSIONS = {
    "ConfigMap": "v1",
    "Service": "v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "PodDisruptionBudget": "policy/v1",
}


def templates() -> dict[str, dict[str, Any]]:
    """The pods, by the name of who makes them."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in manifests()
        if each["kind"] in ("Deployment", "StatefulSet")
    }


def test_manifests_fit_together() -> None:
    """Each has its version; who selects something selects a pod that is there."""
    labels = [each["metadata"]["labels"] for each in templates().values()]
    for each in manifests():
        assert VERSIONS[each["kind"]] == each["apiVersion"]
        assert re.fullmatch(r"[a-z0-9-]{1,63}", each["metadata"]["name"])
        selector = each.get("spec", {}).get("selector")
        if selector is not None:
            assert selector.get("matchLabels", selector) in labels
        template = each.get("spec", {}).get("template")
        if template is not None:
            assert selector["matchLabels"] == template["metadata"]["labels"]
    services = {each["metadata"]["name"]: each for each in manifests()}
    for name, template in templates().items():
        ports = {
            port["name"]
            for container in template["spec"]["containers"]
            for port in container.get("ports", ())
        }
        if name in services and services[name]["kind"] == "Service":
            assert {p["targetPort"] for p in services[name]["spec"]["ports"]} <= ports


def test_pods_have_bounds_and_no_rights() -> None:
    """Every container: memory, CPU, no root, nothing to gain."""
    for template in templates().values():
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in template["spec"]["containers"]:
            assert {"cpu", "memory"} == set(container["resources"]["requests"])
            assert {"cpu", "memory"} == set(container["resources"]["limits"])
            assert {"drop": ["ALL"]} == container["securityContext"]["capabilities"]
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_worker_has_time_to_drain_everywhere() -> None:
    """Whoever kills it in the end waits longer than its calls may take."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((FOLDER / "realtime-calls@.service").read_text())
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    worker = compose["services"]["worker"]
    drained = [
        (
            manifests()[0]["data"]["DRAIN_TIMEOUT"],
            templates()["realtime-worker"]["spec"]["terminationGracePeriodSeconds"],
        ),
        (worker["environment"]["DRAIN_TIMEOUT"], worker["stop_grace_period"][:-1]),
        (
            unit["Service"]["Environment"].partition("=")[2],
            unit["Service"]["TimeoutStopSec"],
        ),
    ]

    assert [str(DRAIN)] * 3 == [given for given, _ in drained]
    assert all(int(killed) > DRAIN for _, killed in drained)
    assert "mixed" == unit["Service"]["KillMode"]


def test_keys_stand_in_no_recipe() -> None:
    """They come from the environment, a file of root's, or a Secret made by hand."""
    for path in FOLDER.iterdir():
        if not path.is_file():
            continue
        text = path.read_text()
        for line in text.splitlines():
            found = re.search(r"(OPENAI_\w+)\s*[=:]\s*(\S+)", line)
            assert found is None or found[2].startswith("..."), f"{path.name}: {line}"
    worker = templates()["realtime-worker"]["spec"]["containers"][0]
    assert {"secretRef": {"name": "realtime-calls"}} in worker["envFrom"]


def test_image_holds_what_the_recipes_run() -> None:
    """Files that are copied are there; the worker is process 1, without a shell."""
    text = (FOLDER / "Dockerfile").read_text().replace("\\\n", " ")
    root = EXAMPLES.parents[1]
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (root / source).exists(), source
    command = json.loads(re.findall(r"^CMD (.*)$", text, re.MULTILINE)[-1])
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())

    assert ["celery", "--app", "calls", "worker"] == command[:4]
    assert "USER 10001" in text
    assert compose["services"]["worker"]["build"]["dockerfile"].endswith("Dockerfile")
    assert {"broker", "worker", "web"} == set(compose["services"])


@pytest.mark.deep
def test_dask_scores_a_batch(tmp_path: Path) -> None:
    """By processes of this machine."""
    with serve(agent="echo") as server:
        from realtime_sync import RealtimeClient

        client = RealtimeClient(base_url=server.url, api_key="sk-example")
        for number in range(3):
            with client.connect("m") as session:
                with session.record(tmp_path / f"{number}.jsonl"):
                    session.ask("Seven?")
    done = subprocess.run(
        [sys.executable, str(FOLDER / "batches.py"), str(tmp_path / "*.jsonl")],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parents[1])},
    )

    assert re.search(r"\d+% passed", done.stdout), done.stderr
