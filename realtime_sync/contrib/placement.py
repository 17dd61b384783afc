"""
How many processes, machines and broker messages so many calls take.

``python -m realtime_sync.contrib.placement 1000 100000 1000000`` prints it. A model,
which is arithmetic on `Costs`, and a simulation of calls that arrive by chance, which
says how long one waits for a worker. Nothing is measured here, no network is used, and
the same seed gives the same figures.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections.abc import Iterator, Sequence

from attrs import frozen


@frozen(kw_only=True)
class Costs:
    """
    What things take.

    Attributes:
        event_us: CPU of an event in itself.
        read_us: CPU of waiting for a call's socket, reading it and waking who handles
            what was in it: once for all events that have come together.
        gather_ms: within which events of a call come together; the more there are in a
            second, the more come at once.
        start_ms: CPU of a worker for a call's begin and end.
        process_mib: memory of a worker without calls.
        call_kib: memory of a call, with its thread, before anything is said.
        call_commands: what a call's begin and end ask of the broker and the backend.
        told_commands: what a command and its answer ask of the broker, beside handing
            the command to every worker.
        broker_commands: per second, of one broker.
        broker_handed: messages per second that one broker hands out to workers.
        share: of a core that a process may take; one process has one core, as Python
            runs one thread at a time.
        cores: of a machine.
        memory_gib: of a machine.
    """

    event_us: float = 5.0
    read_us: float = 45.0
    gather_ms: float = 14.0
    start_ms: float = 8.0
    process_mib: float = 69.0
    call_kib: float = 118.0
    call_commands: float = 36.0
    told_commands: float = 43.0
    broker_commands: float = 60_000.0
    broker_handed: float = 300_000.0
    share: float = 0.7
    cores: int = 16
    memory_gib: float = 64.0


@frozen(kw_only=True)
class CallLoad:
    """
    What there is to do.

    Attributes:
        calls: at a time.
        events: per second and call.
        seconds: that a call takes, on average.
        commands: per call and minute, from other processes.
        bound: calls that a worker takes at most, ``calls_per_process``.
    """

    calls: int
    events: float = 20.0
    seconds: float = 300.0
    commands: float = 1.0
    bound: int = 200

    @property
    def starts(self) -> float:
        """Calls that begin in a second."""
        return self.calls / self.seconds


@frozen(kw_only=True)
class Plan:
    """
    What a load takes.

    Attributes:
        calls_per_process: that a core has time for, or the bound.
        processes: workers.
        machines: for the workers.
        memory_gib: of the workers, all together.
        cpu_cores: that they keep busy, all together.
        broker_commands: per second, all brokers together, as if one did for all.
        broker_handed: commands handed to workers per second, as if one did for all.
        fleets: brokers, each with a fleet of its own, so that none has too much.
        first: what is used up first as calls become more.
    """

    calls_per_process: int
    processes: int
    machines: int
    memory_gib: float
    cpu_cores: float
    broker_commands: float
    broker_handed: float
    fleets: int
    first: str


def cpu_per_second(calls: float, events: float, costs: Costs = Costs()) -> float:
    """Share of a core that a process takes for calls that go on."""
    together = 1 + events * costs.gather_ms / 1e3
    return calls * events * (costs.event_us + costs.read_us / together) / 1e6


def calls_per_process(load: CallLoad, costs: Costs = Costs()) -> float:
    """Calls for which one process has time, whatever its bound."""
    starting = costs.start_ms / 1e3 / load.seconds
    return costs.share / (cpu_per_second(1, load.events, costs) + starting)


def plan(load: CallLoad, costs: Costs = Costs()) -> Plan:
    """What a load takes; arithmetic."""
    timely = calls_per_process(load, costs)
    each = max(1, min(load.bound, int(timely)))
    processes = math.ceil(load.calls / each)
    gib = (processes * costs.process_mib + load.calls * costs.call_kib / 1024) / 1024
    cpu = processes * cpu_per_second(load.calls / processes, load.events, costs)
    cpu += load.starts * costs.start_ms / 1e3
    told = load.calls * load.commands / 60
    asked = load.starts * costs.call_commands + told * costs.told_commands
    handed = told * processes
    fleets = fleets_for(asked, handed, costs)
    machines = max(
        math.ceil(processes / costs.cores) if each < load.bound else 1,
        math.ceil(cpu / (costs.cores * costs.share)),
        math.ceil(gib / (costs.memory_gib * 0.8)),
    )
    used = {
        "commands handed to every worker": handed / costs.broker_handed,
        "commands of the broker": asked / costs.broker_commands,
        "CPU of one machine": cpu / (costs.cores * costs.share),
        "memory of one machine": gib / (costs.memory_gib * 0.8),
        "one process": load.calls / each,
    }
    # One process and one machine are left by adding another; a broker is not.
    beyond = {name: used[name] for name in list(used)[:2] if used[name] > 1}
    rest = {name: used[name] for name in list(used)[2:] if used[name] > 1}
    found = beyond or rest
    first = max(found, key=lambda name: found[name]) if found else "nothing"
    return Plan(
        calls_per_process=each,
        processes=processes,
        machines=machines,
        memory_gib=gib,
        cpu_cores=cpu,
        broker_commands=asked,
        broker_handed=handed,
        fleets=fleets,
        first=first,
    )


def fleets_for(asked: float, handed: float, costs: Costs = Costs()) -> int:
    """
    Brokers with a fleet each.

    Of what is asked each has a part; of what is handed out a part of a part, as it has
    fewer commands, and fewer workers to hand each to.
    """
    return max(
        1,
        math.ceil(asked / costs.broker_commands),
        math.ceil(math.sqrt(handed / costs.broker_handed)),
    )


@frozen(kw_only=True)
class Simulated:
    """
    What became of calls that arrived by chance.

    Attributes:
        started: calls that began.
        waited: how many of them had to wait for a free worker.
        wait_p50, wait_p99, wait_max: seconds that they waited, those that had not to
            among them.
        busiest: calls of the fullest worker.
        most: calls at a time.
    """

    started: int
    waited: int
    wait_p50: float
    wait_p99: float
    wait_max: float
    busiest: int
    most: int


def simulate_placement(
    load: CallLoad,
    processes: int,
    *,
    seconds: float = 600.0,
    restarts: Sequence[tuple[float, float]] = (),
    seed: int = 1,
) -> Simulated:
    """
    Let calls arrive by chance and be taken from one queue by workers with a bound.

    It begins with as many calls as there are on average. Calls last as long as chance
    has it, most of them shorter than the average. A worker that is told to end takes
    none any more; another one in its place takes some.

    Args:
        load: what there is to do.
        processes: workers.
        seconds: how long to look.
        restarts: when a worker is told to end, and how many seconds later there is
            another in its place.
        seed: of chance.
    """
    chance = random.Random(seed)
    free = [load.bound] * processes
    taken = [0] * processes
    # Who takes the next one is chance, as it is with workers at one queue.
    open_workers = list(range(processes))
    ends: list[tuple[float, int]] = []
    waiting: list[float] = []
    waits: list[float] = []
    arrivals = _placement_arrivals(load, chance, seconds)
    pending = sorted((at, again) for at, again in restarts)
    most = served = waited = 0
    returning: list[tuple[float, int]] = []

    def take(now: float, arrived: float) -> bool:
        while open_workers:
            place = chance.randrange(len(open_workers))
            worker = open_workers[place]
            if free[worker] > 0:
                free[worker] -= 1
                taken[worker] = max(taken[worker], load.bound - free[worker])
                lasts = chance.expovariate(1 / load.seconds)
                heapq.heappush(ends, (now + lasts, worker))
                waits.append(now - arrived)
                return True
            open_workers[place] = open_workers[-1]
            open_workers.pop()
        return False

    for _ in range(min(load.calls, processes * load.bound)):
        take(0.0, 0.0)
    waits.clear()
    closed: set[int] = set()
    for moment in arrivals:
        while ends and ends[0][0] <= moment:
            at, worker = heapq.heappop(ends)
            free[worker] += 1
            if free[worker] == 1 and worker not in closed:
                open_workers.append(worker)
            while waiting and take(at, waiting[0]):
                heapq.heappop(waiting)
        while pending and pending[0][0] <= moment:
            at, again = pending.pop(0)
            worker = chance.randrange(processes)
            closed.add(worker)
            open_workers[:] = [each for each in open_workers if each != worker]
            heapq.heappush(returning, (at + again, worker))
        while returning and returning[0][0] <= moment:
            _, worker = heapq.heappop(returning)
            closed.discard(worker)
            if free[worker] > 0 and worker not in open_workers:
                open_workers.append(worker)
        if not waiting and take(moment, moment):
            served += 1
        else:
            heapq.heappush(waiting, moment)
            waited += 1
        most = max(most, len(ends))
    waits.sort()
    return Simulated(
        started=len(waits),
        waited=waited,
        wait_p50=_share_for_placement(waits, 0.5),
        wait_p99=_share_for_placement(waits, 0.99),
        wait_max=_share_for_placement(waits, 1.0),
        busiest=max(taken, default=0),
        most=most,
    )


def _placement_arrivals(
    load: CallLoad, chance: random.Random, seconds: float
) -> Iterator[float]:
    now = chance.expovariate(load.starts)
    while now < seconds:
        yield now
        now += chance.expovariate(load.starts)


def _share_for_placement(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def processes_for(load: CallLoad, costs: Costs = Costs(), *, spare: float = 3.0) -> int:
    """
    Workers for a load that comes by chance.

    As many as the average takes, and for what chance brings beyond it: so many times
    the root of the number of calls, which is how far it strays.
    """
    each = plan(load, costs).calls_per_process
    return math.ceil((load.calls + spare * math.sqrt(load.calls)) / each)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the plan and the simulation for numbers of calls."""
    parser = argparse.ArgumentParser(description="how much so many calls take")
    parser.add_argument("calls", type=int, nargs="*", default=[1000, 100_000])
    parser.add_argument("--events", type=float, default=20.0, help="per second, call")
    parser.add_argument("--seconds", type=float, default=300.0, help="of a call")
    parser.add_argument("--commands", type=float, default=1.0, help="per minute, call")
    parser.add_argument("--bound", type=int, default=200, help="calls per process")
    parser.add_argument("--look", type=float, default=60.0, help="seconds to simulate")
    given = parser.parse_args(arguments)
    for calls in given.calls:
        load = CallLoad(
            calls=calls,
            events=given.events,
            seconds=given.seconds,
            commands=given.commands,
            bound=given.bound,
        )
        found = plan(load)
        processes = processes_for(load)
        seen = simulate_placement(load, processes, seconds=given.look)
        print(f"{calls} calls of {load.events:g} events/s:")
        print(f"  {found.calls_per_process} calls a process, {processes} processes,")
        print(f"  {found.machines} machines, {found.memory_gib:.1f} GiB,")
        print(f"  {found.cpu_cores:.0f} cores busy, {load.starts:.0f} starts/s,")
        print(f"  broker: {found.broker_commands:.0f} commands/s,")
        print(f"  and {found.broker_handed:.0f} handed to workers/s;")
        print(f"  first used up: {found.first}; fleets: {found.fleets}")
        print(f"  waits: p50 {seen.wait_p50:.2f} s, p99 {seen.wait_p99:.2f} s")


if __name__ == "__main__":
    main()
