"""The model of a fleet, and its simulation, held against arithmetic of another kind."""

from __future__ import annotations

import math

import pytest

from realtime_sync.contrib.placement import (
    CallLoad,
    Costs,
    calls_per_process,
    cpu_per_second,
    fleets_for,
    main,
    plan,
    processes_for,
    simulate_placement,
)


@pytest.mark.parametrize("events", [5.0, 20.0, 50.0, 200.0])
@pytest.mark.parametrize("share", [0.25, 0.7])
def test_as_many_calls_as_a_core_has_time_for(events: float, share: float) -> None:
    """The calls of a process take the share of a core that it may have."""
    costs = Costs(share=share)
    load = CallLoad(calls=1, events=events, seconds=120.0)
    calls = calls_per_process(load, costs)
    starting = calls / load.seconds * costs.start_ms / 1e3

    assert share == pytest.approx(cpu_per_second(calls, events, costs) + starting)


@pytest.mark.parametrize(
    ("calls", "events", "cores"),
    [
        (385, 15.0, 0.215),
        (172, 40.0, 0.240),
        (130, 60.0, 0.206),
        (105, 100.0, 0.229),
        (76, 100.0, 0.186),
    ],
)
def test_process_takes_what_was_measured(
    calls: int, events: float, cores: float
) -> None:
    """Within a fifth, as the page says that the model is worth."""
    assert cores == pytest.approx(cpu_per_second(calls, events), rel=0.2)


def test_event_costs_less_the_more_a_call_has() -> None:
    """They are read together; more of them still cost more."""
    rates = [1.0, 2.0, 4.0, 20.0, 100.0, 1000.0]
    taken = [cpu_per_second(10, rate) for rate in rates]
    each = [cores / rate for cores, rate in zip(taken, rates)]

    assert sorted(taken) == taken
    assert sorted(each, reverse=True) == each


@pytest.mark.parametrize("calls", [1, 200, 201, 1000, 100_000, 1_000_000])
def test_no_process_and_no_broker_has_too_much(calls: int) -> None:
    """What the plan says suffices, and one process less would not."""
    costs = Costs()
    load = CallLoad(calls=calls)
    found = plan(load, costs)
    workers = found.processes / found.fleets
    told = load.calls * load.commands / 60 / found.fleets

    assert found.processes * found.calls_per_process >= calls
    assert (found.processes - 1) * found.calls_per_process < calls
    assert workers * told <= costs.broker_handed * 1.01
    assert found.broker_commands / found.fleets <= costs.broker_commands


def test_commands_to_every_worker_are_used_up_first() -> None:
    """Ten times the calls are a hundred times what a broker hands out."""
    small, large = plan(CallLoad(calls=10_000)), plan(CallLoad(calls=100_000))

    assert small.broker_handed * 100 == pytest.approx(large.broker_handed)
    assert "commands handed to every worker" == large.first
    assert 1 == small.fleets
    assert 1 < large.fleets == fleets_for(large.broker_commands, large.broker_handed)


def erlang_c(servers: int, load: float) -> float:
    """How likely a call has to wait, by Erlang's formula."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


@pytest.mark.parametrize(("calls", "places"), [(80, 84), (90, 100), (190, 200)])
def test_simulation_agrees_with_erlang(calls: int, places: int) -> None:
    """As many have to wait as there are in a queue that somebody has solved."""
    load = CallLoad(calls=calls, seconds=10.0, bound=4)
    seen = [
        simulate_placement(load, places // load.bound, seconds=3000.0, seed=seed)
        for seed in range(2)
    ]
    share = sum(each.waited for each in seen) / sum(each.started for each in seen)

    assert erlang_c(places, calls) == pytest.approx(share, rel=0.2, abs=0.01)


def test_worker_never_has_more_than_its_bound() -> None:
    """What is beyond it waits."""
    seen = simulate_placement(
        CallLoad(calls=100, seconds=10.0, bound=7), 10, seconds=200.0
    )

    assert 7 == seen.busiest
    assert 70 >= seen.most
    assert seen.wait_p99 > 10.0


def test_restarts_cost_waiting_and_nothing_else() -> None:
    """The same calls begin; some of them later."""
    load = CallLoad(calls=95, seconds=10.0, bound=10)
    calm = simulate_placement(load, 12, seconds=500.0)
    restarts = [(float(at), 20.0) for at in range(20, 480, 10)]
    unruly = simulate_placement(load, 12, seconds=500.0, restarts=restarts)

    assert unruly.waited > calm.waited
    assert unruly.wait_max >= calm.wait_max


def test_same_seed_gives_the_same_figures() -> None:
    """Chance is a parameter."""
    load = CallLoad(calls=50, seconds=5.0, bound=5)

    assert simulate_placement(load, 11, seed=3) == simulate_placement(load, 11, seed=3)
    assert simulate_placement(load, 11, seed=3) != simulate_placement(load, 11, seed=4)


def test_workers_for_what_chance_brings() -> None:
    """Hardly anybody waits with the workers that are asked for."""
    load = CallLoad(calls=1000, seconds=30.0, bound=20)
    seen = simulate_placement(load, processes_for(load), seconds=300.0)

    assert 0.0 == seen.wait_p99
    assert processes_for(load) < math.ceil(1.15 * 1000 / 20)


def test_command_prints_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """For every number that is asked for."""
    main(["300", "5000", "--look", "2"])
    said = capsys.readouterr().out

    assert "300 calls of 20 events/s" in said
    assert "5000 calls of 20 events/s" in said
    assert "200 calls a process, 27 processes" in said
