"""What was learned on one device starts another: the right columns move, and learning is done sooner."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from autoscale.agents.base import Agent, Arrays, Choice, make_agent
from autoscale.agents.corrector import Corrector
from autoscale.agents.features import FEATURES
from autoscale.agents.frozen import Frozen
from autoscale.agents.paper_state import state_of
from autoscale.agents.policies import load_policy, save_policy
from autoscale.agents.q_learning import QLearning
from autoscale.agents.transfer import counterparts, relative_steps, transfer, transferred
from autoscale.errors import PolicyError
from autoscale.query.context import Context
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from tests.autoscale.agents.toy_parts import FEW, MANY, NETWORKS, Run, ToyWorld

OTHER = tuple(
    Target.parse(text)
    for text in (
        *(f"device:cpu/{precision}@{700 + 140 * step}MHz" for precision in ("fp32", "int8") for step in range(15)),
        *(f"device:gpu/{precision}@{200 + 108 * step}MHz" for precision in ("fp32", "fp16") for step in range(6)),
        *("device:npu/int8", "edge:cpu/int8", "edge:gpu/fp16", "edge:npu/int8", "cloud:cpu/fp32", "cloud:gpu/fp32"),
    )
)
"""A phone with fewer steps, of other frequencies, than that of MANY."""

DEMO = tuple(
    Target.parse(text) for text in ("device:cpu/fp32@1t", "device:cpu/fp16@1t", "device:cpu/int8@1t", "cloud:cpu/fp32")
)
"""The targets of ``autoscale demo``."""


def test_steps_are_compared_by_rank() -> None:
    targets = [Target.parse(f"device:cpu/fp32@{mhz}MHz") for mhz in (300, 2800, 900)]
    assert relative_steps([*targets, Target.parse("device:npu/int8")]) == [0.0, 1.0, 0.5, 1.0]


def test_counterparts_agree_in_what_they_are() -> None:
    source, is_same_kind = counterparts(MANY, OTHER)
    assert is_same_kind.all()
    for index, target in zip(source, OTHER, strict=True):
        theirs = MANY[index]
        assert (theirs.place, theirs.processor, theirs.precision) == (target.place, target.processor, target.precision)
    ends = [OTHER.index(Target.parse(f"device:cpu/int8@{mhz}MHz")) for mhz in (700, 2660)]
    assert [str(MANY[source[end]]) for end in ends] == ["device:cpu/int8@800MHz", "device:cpu/int8@2780MHz"]


def test_the_same_targets_are_their_own_counterparts() -> None:
    assert np.array_equal(counterparts(MANY, MANY)[0], np.arange(len(MANY)))
    assert np.array_equal(counterparts(MANY, MANY[::-1])[0], np.arange(len(MANY))[::-1])


def test_a_target_that_both_have_is_its_own_whatever_its_rank() -> None:
    old, new = ([Target.parse(f"device:cpu/fp32@{n}t") for n in counts] for counts in ((1, 2, 4), (1, 2, 4, 8)))
    assert counterparts(old, new)[0].tolist() == [0, 1, 2, 2]
    assert counterparts(new, old)[0].tolist() == [0, 1, 2]
    assert counterparts(old, old[1:2])[0].tolist() == [1]


def test_a_host_of_the_same_name_comes_first() -> None:
    old = [Target.parse(text) for text in ("edge:a:npu/int8", "edge:b:npu/int8", "edge:a:cpu/int8")]
    new = [Target.parse(text) for text in ("edge:b:npu/int8", "edge:c:cpu/int8", "edge:b:cpu/int8")]
    source, is_same_kind = counterparts(old, new)
    assert source.tolist() == [1, 2, 2]
    assert is_same_kind.all()


def test_a_table_moves_by_columns_and_leaves_the_new_alone() -> None:
    old = QLearning(FEW)
    old.table[:] = np.arange(5)
    old.visited[7] = True
    new = (Target.parse("device:npu/int8"), Target.parse("cloud:gpu/fp32"), Target.parse("device:cpu/fp32@4t"))
    heir, fresh = transfer(old, new, seed=3), QLearning(new, seed=3)
    assert isinstance(heir, QLearning)
    assert np.array_equal(heir.table[:, 0], fresh.table[:, 0])
    assert (heir.table[:, 1] == 4.0).all()
    assert (heir.table[:, 2] == 0.0).all()
    assert heir.visited[7]
    assert old.table.shape == (3072, 5)


def test_beliefs_move_by_columns() -> None:
    old, new = Corrector(FEW), (FEW[4], Target.parse("device:npu/int8"), FEW[0])
    Run(ToyWorld(FEW, error=0.3), old, 200)
    beliefs, moved = old.state()["tree"], transfer(old, new).state()["tree"]
    assert np.array_equal(moved[..., 0], beliefs[..., 4])
    assert np.array_equal(moved[..., 2], beliefs[..., 0])
    assert (moved[:, 0, :, 1] == 1.0).all()
    assert not moved[:, 1, :, 1].any()


def test_a_policy_of_arrays_takes_the_closest_where_there_is_no_other() -> None:
    heir = transfer(_fitted(), DEMO)
    assert heir.state()["head_bias"].tolist() == [[1.0, 1.0, 2.0, 5.0]]


@pytest.mark.parametrize("name", ["device-cpu-fp32", "device-best", "lr"])
def test_a_fixed_rule_and_who_has_learned_nothing_start_afresh(name: str) -> None:
    agent = make_agent(name, FEW)
    Run(ToyWorld(FEW), agent, 5)
    heir, origins = transferred(agent, MANY)
    assert heir.targets == MANY
    assert origins == dict.fromkeys(MANY)
    assert all(array.size == 0 for array in heir.state().values())


def test_lessons_that_are_not_kept_by_target_cannot_be_moved() -> None:
    class Diary(Agent):
        name = "diary"

        def select(self, context: Context) -> Choice:
            return Choice(int(context.admitted[0]), 1.0)

        def state(self) -> Arrays:
            return {"pages": np.ones(3)}

    with pytest.raises(PolicyError, match=r"'diary' keeps \['pages'\], none of it by target"):
        transfer(Diary(FEW), MANY)


THREADS = tuple(Target.parse(f"device:cpu/{p}@{n}t") for p in ("fp32", "int8") for n in (1, 2, 4))
STEPS = tuple(Target.parse(f"device:cpu/{p}@{mhz}MHz") for p in ("fp32", "int8") for mhz in (300, 800, 1500, 2800))


@pytest.mark.parametrize(("old", "new"), [(STEPS, THREADS), (THREADS, STEPS)])
def test_threads_and_steps_correspond_by_rank(old: tuple[Target, ...], new: tuple[Target, ...]) -> None:
    source, is_same_kind = counterparts(old, new)
    assert is_same_kind.all()
    assert [old[i].precision for i in source] == [each.precision for each in new]
    steps = np.array(relative_steps(old))[source]
    assert np.abs(steps - relative_steps(new)).max() < 0.2
    for ends in (0, len(new) // 2 - 1):
        assert steps[ends] == relative_steps(new)[ends]


@pytest.mark.parametrize(
    ("old", "new", "started_from"),
    [
        ("cpu/fp32@1t cpu/fp32@1t#fast", "cpu/fp32@1t#fast", "cpu/fp32@1t#fast"),
        ("cpu/fp32@1t#odd cpu/fp32@1t", "cpu/fp32@1t#fast", "cpu/fp32@1t"),
        ("cpu/fp32@1t#odd cpu/int8@1t", "cpu/fp32@1t", "cpu/fp32@1t#odd"),
        ("cpu/fp32@1t#fast cpu/fp32@8t#fast cpu/fp32@1t cpu/fp32@2t", "cpu/fp32@4t", "cpu/fp32@2t"),
        ("gpu/fp16#a cpu/fp16@2t", "gpu/fp16", "gpu/fp16#a"),
        ("cpu/fp32@1t cpu/fp32@2t", "cpu/fp32@1t#fast", "cpu/fp32@1t"),
    ],
)
def test_the_engine_counts_after_the_precision_and_before_the_setting(old: str, new: str, started_from: str) -> None:
    targets = [Target.parse(f"device:{each}") for each in old.split()]
    [index], [is_same_kind] = counterparts(targets, [Target.parse(f"device:{new}")])
    assert str(targets[index]) == f"device:{started_from}"
    assert is_same_kind


def test_it_knows_what_started_what() -> None:
    new = (Target.parse("device:npu/int8"), Target.parse("cloud:gpu/fp32"), FEW[0])
    agent = QLearning(FEW)
    heir, origins = transferred(agent, new, seed=3)
    assert heir.targets == new
    assert [origins[target] for target in new] == [None, *(FEW[i] for i in counterparts(FEW, new[1:])[0])]
    _, of_arrays = transferred(_fitted(), new)
    assert None not in of_arrays.values()  # arrays have no other start


def _fitted() -> Frozen:
    agent = Frozen(FEW)
    head = {"head": np.zeros((len(FEATURES), 1, 5)), "head_bias": np.array([[1.0, 2.0, 3.0, 4.0, 5.0]])}
    agent.restore({"features": np.array(FEATURES), **head})
    return agent


@pytest.mark.parametrize("name", ["q-learning", "corrector"])
def test_a_device_that_starts_from_another_is_right_sooner(name: str) -> None:
    """Both devices' forecasts err alike for what they share; the paper's 21 % faster is the least to expect."""
    losses = []
    for seed in range(3):
        teacher = make_agent(name, FEW, seed)
        Run(ToyWorld(FEW, error=0.4, noise=0.05, seed=seed), teacher, 1500)
        device = [Target.parse(str(target)) for target in FEW[::-1]]
        for agent in (make_agent(name, device, seed), transfer(teacher, device, seed)):
            world = ToyWorld(device, noise=0.05, seed=seed + 50)
            world.errors = ToyWorld(FEW, error=0.4, seed=seed).errors[:, ::-1]
            losses.append(Run(world, agent, 120).losses.mean())
    fresh, started = np.reshape(losses, (3, 2)).mean(axis=0)
    assert started < 0.79 * fresh


def test_q_learning_gains_from_a_phone_with_other_steps() -> None:
    teacher = QLearning(MANY)
    Run(ToyWorld(MANY), teacher, 2500)
    fresh, started = (Run(ToyWorld(OTHER), agent, 600) for agent in (QLearning(OTHER), transfer(teacher, OTHER)))
    assert started.losses.mean() < 0.4 * fresh.losses.mean()
    assert started.right[-60:].mean() > 0.7 > 0.3 > fresh.right[-60:].mean()


CLOCKS = tuple(Target.parse(f"device:{each}") for each in ("cpu/fp32@800MHz", "cpu/fp32@900MHz", "npu/int8"))
STEPS = tuple(Target.parse(f"device:gpu/fp16@{clock}00MHz") for clock in range(3, 9))


ASKED = ToyWorld(MANY).observe(NETWORKS[0])
STATE = state_of(ASKED.model, ASKED.observation)


def on_another_phone(values: Sequence[float], targets: Sequence[Target]) -> QLearning:
    """What a table's row, learned on one phone, becomes on another, whose clocks are a little higher."""
    teacher = QLearning(targets)
    teacher.visited[STATE] = True
    teacher.table[STATE] = values
    heir = transfer(teacher, [Target.parse(str(each).replace("00MHz", "50MHz")) for each in targets])
    assert isinstance(heir, QLearning)
    assert (transfer(teacher, targets[::-1]).table[STATE] == teacher.table[STATE][::-1]).all()  # type: ignore[attr-defined]
    return heir


def test_q_learning_tries_again_what_may_be_the_best_on_another_phone() -> None:
    """Of each processor the cheapest in time, what comes near the best of all, and the fastest where all were late."""
    heir = on_another_phone((-0.1, -0.12, -0.5, -10.2, -10.3, -10.4, -10.5, -10.6, -9.0), (*CLOCKS, *STEPS))
    assert heir.again is not None
    assert np.flatnonzero(heir.again[STATE]).tolist() == [0, 1, 2, 8]
    assert np.argsort(-heir.table[STATE]).tolist() == [
        0,
        1,
        2,
        8,
        3,
        4,
        5,
        6,
        7,
    ]  # the best first, then what is believed


def tried(heir: QLearning, costs: Sequence[float]) -> list[int]:
    """What is chosen in the state, greedily, in which order, where each target is worth minus its cost."""
    found: list[int] = []
    for _ in range(60):
        found.append(int(heir.table[STATE].argmax()))
        heir.learn(ASKED, found[-1], Outcome(0.01), -costs[found[-1]])
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("frugal", range(3, 9))
def test_q_learning_goes_on_beside_a_setting_that_was_late_elsewhere(frugal: int) -> None:
    """From the fastest down its valley of costs, to the best one and a step or two beyond; not where that is late."""
    heir = on_another_phone((-0.1, -0.12, -0.5, *[-10.5] * 6), (*CLOCKS, *STEPS))
    costs = [0.3, 0.35, 0.5, *(0.1 * 1.35 ** abs(step - frugal) for step in range(3, 9))]
    found = tried(heir, costs)
    assert heir.table[STATE].argmax() == frugal
    assert {*found} == {0, 1, 2, *range(max(3, frugal - 1), 9)}


@pytest.mark.parametrize("cost", [10.2, 1e6])
def test_q_learning_leaves_alone_what_is_late_here_too(cost: float) -> None:
    """Be it more than half precision holds, of which numpy would warn."""
    heir = on_another_phone((-0.1, -0.12, -0.5, *[-10.5] * 6), (*CLOCKS, *STEPS))
    assert tried(heir, [0.1, 0.12, 0.5, *[cost] * 6]) == [0, 1, 2, 8]


def test_what_one_phone_had_yet_to_try_is_tried_on_the_next() -> None:
    first = on_another_phone((-0.1, -0.12, -0.5, *[-10.5] * 6), (*CLOCKS, *STEPS))
    second = transfer(first, [Target.parse(str(each).replace("50MHz", "70MHz")) for each in first.targets])
    assert isinstance(second, QLearning) and first.again is not None and second.again is not None
    assert (second.again[STATE] == first.again[STATE]).all()
    costs = [0.3, 0.35, 0.5, *(0.1 * 1.35 ** abs(step - 4) for step in range(6))]
    assert tried(second, costs)[-1] == 6, "a step beyond the best one"
    assert second.table[STATE].argmax() == 7


def test_what_is_to_be_tried_again_is_kept_with_the_policy(tmp_path: Path) -> None:
    heir = on_another_phone((-0.1, -0.12, -0.5, *[-10.5] * 6), (*CLOCKS, *STEPS))
    save_policy(heir, tmp_path / "policy.npz")
    kept = load_policy(tmp_path / "policy.npz", heir.targets)
    assert isinstance(kept, QLearning)
    assert kept.again is not None and heir.again is not None and (kept.again == heir.again).all()
    with pytest.raises(PolicyError, match="'again'"):
        kept.restore(kept.state() | {"again": np.zeros((2, 2), dtype=bool)})


@pytest.mark.parametrize("name", ["q-learning", "corrector"])
def test_a_policy_file_can_start_other_targets_when_asked_to(name: str, tmp_path: Path) -> None:
    agent = make_agent(name, MANY)
    Run(ToyWorld(MANY), agent, 100)
    save_policy(agent, tmp_path / "policy.npz")
    with pytest.raises(PolicyError, match="was made for"):
        load_policy(tmp_path / "policy.npz", DEMO)
    adapted = load_policy(tmp_path / "policy.npz", DEMO, adapt=True)
    assert (adapted.name, adapted.targets) == (name, DEMO)
    context = ToyWorld(DEMO).observe(NETWORKS[0])
    assert adapted.select(context).index in context.admitted
    same = load_policy(tmp_path / "policy.npz", MANY, adapt=True)
    assert all(np.array_equal(array, same.state()[key]) for key, array in agent.state().items())
