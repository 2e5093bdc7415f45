"""A cut network beside the whole one, measured: a real server behind a shaped link, on a network that shrinks its data
early and on one that does not, over a slow link and a fast one.

Run from the root: ``python -m benchmarks.split``. Each figure is the median of the queries of one session that is
pinned to that target; the device's energy is the measured times at a phone's watts, its radio with it. Beside them:
what a session that may choose chose. The server is a process of its own on this machine, so it computes no faster than
the device.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any, Final, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

from autoscale.query.goal import Goal
from autoscale_runtime import RemoteModel, Session, SessionOptions
from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.link.shaped_link import ShapedLink
from autoscale_runtime.models.splitting.cuts import find_cuts
from autoscale_runtime.models.splitting.parts import write_split
from benchmarks.offload import AUTOSCALE, first_line

SIDE: Final = 128
QUERIES: Final = 7
CHOSEN_QUERIES: Final = 10
LINKS: Final = {
    "12 Mbit/s, 10 ms": LinkConditions(rate_bps=12e6, round_trip_s=0.010),
    "100 Mbit/s, 4 ms": LinkConditions(rate_bps=100e6, round_trip_s=0.004),
}
TABLE: Final = "s10e"
GOAL: Final = Goal(objective="energy", latency_s=5.0)


class Network(NamedTuple):
    """A network of convolutions: channels and stride of each, then layers that are fully connected."""

    convolutions: tuple[tuple[int, int], ...]
    wide: tuple[int, ...]


NETWORKS: Final = {
    "shrinks early": Network(((16, 8), (64, 1), (512, 1), (512, 1), (512, 1), (512, 1)), (10,)),
    "grows first": Network(((24, 2), (24, 1), (24, 1), (48, 2), (48, 2)), (10,)),
}


def model_of(network: Network) -> onnx.ModelProto:
    """The network, with random weights."""
    rng = np.random.default_rng(0)
    nodes, weights, name, channels, side = [], [], "x", 3, SIDE

    def weight(*shape: int) -> str:
        values = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        weights.append(numpy_helper.from_array(values.astype(np.float32), f"w{len(weights)}"))
        return str(weights[-1].name)

    for index, (wanted, stride) in enumerate(network.convolutions):
        kernel = weight(wanted, channels, 3, 3)
        nodes.append(helper.make_node("Conv", [name, kernel], [f"c{index}"], strides=[stride] * 2, pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
        name, channels, side = f"r{index}", wanted, -(-side // stride)
    nodes.append(helper.make_node("Flatten", [name], ["flat"]))
    name, width = "flat", channels * side * side
    for index, wanted in enumerate(network.wide):
        nodes.append(helper.make_node("MatMul", [name, weight(width, wanted)], [f"y{index}"]))
        name, width = f"y{index}", wanted
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    y = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width])
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


class Stage(NamedTuple):
    """Where one network is asked: its file, its parts, and the link to the server that has both."""

    model: Path
    parts: Path
    link: ShapedLink
    cut: int
    crossing_bytes: int

    def session(self, target: str | None = None) -> Session:
        """Pinned to a target, or free to choose."""
        remote = RemoteModel(self.link.address, splits=[self.parts])
        options = SessionOptions(power_table=TABLE, radio="wifi", target=target, sensors=(), timeout_s=10.0)
        return Session(self.model, GOAL, remotes={"cloud": remote}, options=options)


@contextmanager
def staged(folder: Path, network: Network) -> Iterator[Stage]:
    """The network cut where the fewest bytes cross before its work is half done, and a server that has it all."""
    model = folder / "net.onnx"
    onnx.save(model_of(network), str(model))
    found = find_cuts(model)
    early = [each for each in found.cuts if each.head.macs < found.whole.macs / 2] or [*found.cuts[:1]]
    cut = min(early, key=lambda each: each.crossing_bytes)
    split = write_split(found, cut, "fp32", folder / "parts")
    repository = folder / "repository"
    (repository / "net" / "1").mkdir(parents=True)
    (repository / "net" / "1" / "model.onnx").write_bytes(model.read_bytes())
    copytree(folder / "parts" / "tail", repository / split.tail.name)
    with ExitStack() as stack:
        served = stack.enter_context(
            first_line("-c", AUTOSCALE, "serve", str(repository), "--port=0", "--threads-per-model=1")
        )
        link = stack.enter_context(ShapedLink(served.split()[-1]))
        yield Stage(model, folder / "parts", link, cut.after, cut.crossing_bytes)


def measured(stage: Stage, target: str) -> dict[str, float]:
    """Medians of a session pinned to a target."""
    feeds = {"x": np.random.default_rng(0).random((1, 3, SIDE, SIDE), dtype=np.float32)}
    with stage.session(target) as session:
        outcomes = []
        for _ in range(QUERIES + 2):
            session.run(None, feeds)
            assert session.last is not None
            outcomes.append(session.last.outcome)
    kept = outcomes[2:]  # the first connects, the second finds caches cold
    return {
        "latency_s": float(np.median([each.latency_s for each in kept])),
        "energy_j": float(np.median([each.energy_j.device for each in kept])),
    }


def chosen(stage: Stage) -> dict[str, int]:
    """What a session that may choose answered its last queries on."""
    feeds = {"x": np.random.default_rng(0).random((1, 3, SIDE, SIDE), dtype=np.float32)}
    counts: dict[str, int] = {}
    with stage.session() as session:
        session.warm_up(feeds)
        for _ in range(CHOSEN_QUERIES):
            session.run(None, feeds)
            assert session.last is not None
            selected = str(session.last.selected)
            counts[selected] = counts.get(selected, 0) + 1
    return counts


def results() -> list[dict[str, Any]]:
    """Every network over every link on every kind of target."""
    found = []
    for name, network in NETWORKS.items():
        with tempfile.TemporaryDirectory() as folder, staged(Path(folder), network) as stage:
            for told, conditions in LINKS.items():
                stage.link.conditions = conditions
                here = (f"device:cpu/fp32@{threads}t" for threads in (1, 2))
                targets = (*here, "cloud:cpu/fp32", f"cloud:cpu/fp32@cut{stage.cut}")
                rows = ({"target": target, **measured(stage, target)} for target in targets)
                found += [{"network": name, "link": told, **row} for row in rows]
                found.append({"network": name, "link": told, "chosen": chosen(stage), "sent": stage.crossing_bytes})
    return found


def main() -> None:
    """Print them."""
    table = Table("network", "link", "target", "ms", "mJ")
    for each in results():
        if "target" in each:
            figures = f"{each['latency_s'] * 1e3:.1f}", f"{each['energy_j'] * 1e3:.1f}"
            table.add_row(each["network"], each["link"], each["target"], *figures)
        else:
            for target, count in each["chosen"].items():
                table.add_row("", f"the cut sends {each['sent']} bytes", f"chosen {count} times: {target}", "", "")
            table.add_section()
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
