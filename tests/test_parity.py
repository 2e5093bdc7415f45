"""One physics: a query costs the same in the simulator, in a session's account and in a server's.

Given the same times, bytes, loads and intensities, joules and grams of device, network and remote machine agree to the
last digits that floating point allows, over every device, link and processor that ships.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from autoscale.carbon import Electricity, data_centre_pue
from autoscale.physics.carbon import g_per_j
from autoscale.physics.compute import placed
from autoscale.profiles import DeviceProfile, device_names, link_names, load_device, load_link
from autoscale.query.outcome import Outcome, Split
from autoscale.query.target import Target
from autoscale_envs.variance.network import Conditions, Passage, passage
from autoscale_envs.worlds.carbon import added_g, carbon
from autoscale_envs.worlds.dynamics import Costs, State, calm, costs, initial, transition
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters
from autoscale_envs.worlds.query import SimulatedQuery
from autoscale_envs.worlds.view import View, lone
from autoscale_runtime.device.query_cost import DeviceAccount, Transfer
from autoscale_runtime.device.radio_rest import RadioRest
from autoscale_runtime.grid.watch import GridWatch
from autoscale_runtime.meters import ModelledMeter
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.wire.parameters import cost_of, parameters_of

EXACT = 1e-11
DEVICE_G_PER_KWH, CLOUD_G_PER_KWH = 264.2, 425.3
NETWORKS = ("mobilenet-v1", "mobilebert")
SIGNALS_DBM = {"rssi": (-55.0, -86.0), "rsrp": (-85.0, -112.0)}
GAPS_S = (0.02, 1.7, 60.0)
"""Within a Wi-Fi tail, within an LTE tail, beyond every tail."""


MACHINES = {name: replace(load_device(name), measured=()) for name in device_names()}
"""Without their measured rows: what a meter that knows no network reckons with is the power table."""

ANSWERING = ("tab-s6", "laptop", "jetson-xavier", "gpu-server", "xeon-p100", "a100-server")


@dataclass
class Clocks:
    """What the device's clocks show: seconds on the wall, and of CPU time of this process."""

    wall_s: float = 0.0
    cpu_s: float = 0.0


@cache
def server(name: str, place: str) -> ServerAccount:
    """The account of a machine that serves, in a data centre or on the desk."""
    g_per_kwh, pue = (CLOUD_G_PER_KWH, data_centre_pue()) if place == "cloud" else (DEVICE_G_PER_KWH, 1.0)
    return ServerAccount(MACHINES[name], Electricity(source=g_per_kwh), pue)


def world_of(device: str, link: str, settings: str, **remotes: str) -> WorldParameters:
    """A device whose profile is true, in which one machine of each kind that answers is within reach over the link."""
    others = remotes or {f"{place}:{name}": name for place in ("edge", "cloud") for name in ANSWERING}
    return make_parameters(
        WorldOptions(
            device=MACHINES[device],
            scenario="D4",
            networks=NETWORKS,
            hidden_sigma=0.0,
            settings=settings,
            remotes={link: MACHINES[name] for link, name in others.items()},
            links={"edge": link, "cloud": link},
        )
    )


def queries(view: View) -> Iterator[tuple[SimulatedQuery, list[Passage]]]:
    """Queries of a world with co-runners beside them, at signals that a radio reports in whole dBm."""
    parameters = view.parameters
    for gap_s in GAPS_S:
        for number, _ in enumerate(parameters.networks):
            signal_dbm = SIGNALS_DBM[parameters.links[0].signal][number]
            conditions = Conditions(*(np.full((1, 1), each) for each in (signal_dbm, 0.7, 1.0, 1.0)))
            moves = [passage(path, conditions, np.full((1, 1), number)) for path in parameters.paths]
            yield (
                calm(view.query)._replace(
                    network=number,
                    gap_s=gap_s,
                    move_s=[float(each.move_s[0, 0]) for each in moves],
                    move_j=[float(each.move_j[0, 0]) for each in moves],
                    device_g_per_j=g_per_j(DEVICE_G_PER_KWH),
                    cloud_g_per_j=g_per_j(CLOUD_G_PER_KWH, parameters.pue),
                ),
                moves,
            )
        view.run(parameters.reference_target)


def with_radio(parameters: WorldParameters) -> DeviceProfile:
    """The device; where its radio was not measured, with the one that is typical of the link, as in the simulator."""
    link = parameters.links[0]
    return replace(parameters.device, radios={link.radio_name: link.radio, **parameters.device.radios})


def reported_by(parameters: WorldParameters, query: SimulatedQuery, target: Target, cost: Costs, moved: Transfer):
    """What the server says of itself, over the wire."""
    (remote,) = (each for each in parameters.remotes if each.name == target.link)
    account = server(remote.machine.name, target.place)
    served = placed(remote.machine, parameters.networks[query.network], replace(target, place="device", host=""))
    served_cost = account.alone(served, float(cost.remote_s))
    return cost_of(parameters_of(served_cost, 0, 0), moved.sent_bytes, moved.received_bytes)


def transfer_of(parameters: WorldParameters, query: SimulatedQuery, target: Target, moves: list[Passage]) -> Transfer:
    """The query's bytes and its link as a device knows them."""
    link = next(number for number, each in enumerate(parameters.remotes) if each.name == target.link)
    model, seen = parameters.networks[query.network], moves[link]
    rates_bps = float(seen.uplink_bps[0, 0]), float(seen.downlink_bps[0, 0])
    signal_dbm, is_direct = float(seen.rssi_dbm[0, 0]), target.place == "edge"
    return Transfer(model.input_bytes, model.output_bytes, *rates_bps, signal_dbm, is_direct)


def check(simulated: tuple[Split, ...], added: float, metered: Outcome) -> None:
    """All twelve figures, and what a decision goes by."""
    for split, other in zip(
        simulated, (metered.energy_j, metered.carbon_operational_g, metered.carbon_embodied_g), strict=True
    ):
        for part in Split.__slots__:
            assert getattr(split, part) == pytest.approx(getattr(other, part), rel=EXACT, abs=0.0)
    assert added == pytest.approx(metered.decisive_carbon_g, rel=EXACT, abs=0.0)


def compare(parameters: WorldParameters, targets: Iterable[int]) -> None:
    """A row of queries on each target, in the simulator and on a device with given clocks."""
    view = lone(parameters, seed=1)
    asked = list(queries(view))
    assert len(asked) == len(GAPS_S) * len(NETWORKS)
    for number in targets:
        compare_on(view, asked, number)


def compare_on(view: View, asked: list[tuple[SimulatedQuery, list[Passage]]], number: int) -> None:
    """The row on one target."""
    parameters = view.parameters
    target, link = parameters.targets[number], parameters.links[0]
    clocks, profile = Clocks(), with_radio(parameters)
    meter = ModelledMeter(profile, link.radio_name, lambda: clocks.wall_s, lambda: clocks.cpu_s)
    account = DeviceAccount(
        meter, meter, GridWatch(Electricity(source=DEVICE_G_PER_KWH)), RadioRest(lambda: clocks.wall_s)
    )
    state = State.of([float(each[0]) for each in initial(parameters, np.ones(1)).figures()])
    for query, moves in asked:
        cost = costs(parameters, view.world.hidden, 0, query, state, number)
        begun_s, mark, latency_s = clocks.wall_s, account.begin(), float(cost.latency_s)
        clocks.wall_s += latency_s
        clocks.cpu_s += 0.0 if target.is_remote else float(cost.core_s)
        if target.is_remote:
            moved = transfer_of(parameters, query, target, moves)
            reported = reported_by(parameters, query, target, cost, moved)
            metered = account.end(mark, target, latency_s, transfer=moved, reported=reported)
        else:
            where = placed(parameters.device, parameters.networks[query.network], target)
            metered = account.end(mark, where, latency_s)
        grams = carbon(parameters, query, cost)
        energy_j = Split(cost.device_j, grams.network_j, cost.remote_j)
        check((energy_j, grams.operational_g, grams.embodied_g), float(added_g(parameters, query, cost)), metered)
        state = transition(parameters, query, state, cost)._replace(temperature_c=25.0)
        clocks.wall_s = begun_s + max(query.gap_s, latency_s)


@pytest.mark.parametrize("link", link_names())
@pytest.mark.parametrize("device", device_names())
def test_a_query_costs_the_same_in_simulator_session_and_server(device: str, link: str) -> None:
    """Every processor of the device and, over the link, of every machine that may answer, near and in the cloud."""
    parameters = world_of(device, link, "threads")
    first = {(target.link, target.processor): number for number, target in reversed([*enumerate(parameters.targets)])}
    machines = [MACHINES[device], *(each.machine for each in parameters.remotes)]
    assert len(first) == sum(len(each.processors) for each in machines)
    compare(parameters, first.values())


@pytest.mark.parametrize("settings", ["threads", "dvfs"])
@pytest.mark.parametrize("device", device_names())
def test_and_so_at_every_setting_in_every_precision(device: str, settings: str) -> None:
    parameters = world_of(device, "wifi", settings, cloud="gpu-server")
    compare(parameters, range(len(parameters.targets)))


def test_what_differs_is_seen() -> None:
    """The same comparison fails where a device is told another intensity, or that its radio was used just before."""
    parameters = world_of("mi8pro", "lte", "threads", cloud="gpu-server")
    cloud = len(parameters.targets) - 1
    view = lone(parameters, seed=1)
    hidden, (query, moves) = view.world.hidden, next(queries(view))
    rested = State.of([float(each[0]) for each in initial(parameters, np.ones(1)).figures()])
    cost = costs(parameters, hidden, 0, query, rested, cloud)
    soon = costs(parameters, hidden, 0, query, rested._replace(rest_s=[0.0 for _ in rested.rest_s]), cloud)
    assert cost.device_j - soon.device_j > 0.9 * parameters.radios[0].tail_w * parameters.radios[0].tail_s
    assert load_link("lte").promotion_s == pytest.approx(float(cost.latency_s - soon.latency_s))
    meter = ModelledMeter(parameters.device, "lte", lambda: 0.0, lambda: 0.0)
    account = DeviceAccount(meter, meter, GridWatch(Electricity(source=1.0)), RadioRest(lambda: 0.0))
    moved = transfer_of(parameters, query, parameters.targets[cloud], moves)
    metered = account.end(
        account.begin(),
        parameters.targets[cloud],
        float(cost.latency_s),
        transfer=moved,
        reported=reported_by(parameters, query, parameters.targets[cloud], cost, moved),
    )
    grams = carbon(parameters, query, cost)
    with pytest.raises(AssertionError):
        check((metered.energy_j, grams.operational_g, grams.embodied_g), metered.decisive_carbon_g, metered)
