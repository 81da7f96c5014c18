from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.graph import Input, InputFile, InputProduct, Plan, PlanError, Task, Walker

RAW = InputFile("CAL_DARK", "/data/a.fits", "0" * 64)


def task(name: str, *needs: str) -> Task:
    inputs: tuple[Input, ...] = (RAW, *(InputProduct("DARK", need, "DARK_AVG") for need in needs))
    return Task(name, "naco_img_dark", f"r.{name}", inputs, ("DARK_AVG",))


def ids(tasks: tuple[Task, ...]) -> list[str]:
    return [each.id for each in tasks]


def test_a_task_is_ready_when_all_it_needs_is_finished() -> None:
    walker = Walker(Plan((task("a"), task("b"), task("c", "a", "b"))))
    assert ids(walker.ready()) == ["a", "b"]
    walker.finish("a")
    assert ids(walker.ready()) == ["b"]
    walker.finish("b")
    assert ids(walker.ready()) == ["c"]
    assert not walker.done
    walker.finish("c")
    assert walker.ready() == ()
    assert walker.done


def test_a_failure_blocks_all_that_stands_on_it_and_nothing_else() -> None:
    walker = Walker(
        Plan((task("a"), task("b", "a"), task("c", "b"), task("d"), task("e", "d"), task("f", "e", "c")))
    )
    assert ids(walker.fail("a")) == ["b", "c", "f"]
    walker.finish("d")
    assert ids(walker.ready()) == ["e"]


def test_a_task_goes_on_without_an_optional_product_once_its_maker_has_failed() -> None:
    flat = Task("flat", "r", "r.flat", (RAW, InputProduct("DARK", "dark", "DARK_AVG", optional=True)), ())
    walker = Walker(Plan((task("bias"), task("dark", "bias"), flat, task("science", "flat"))))
    assert ids(walker.ready()) == ["bias"]
    assert ids(walker.fail("bias")) == ["dark"]
    assert ids(walker.ready()) == ["flat"]
    walker.finish("flat")
    assert ids(walker.ready()) == ["science"]


def test_two_products_of_one_task_are_one_need() -> None:
    walker = Walker(Plan((task("a"), task("b", "a", "a"))))
    walker.finish("a")
    assert ids(walker.ready()) == ["b"]


@pytest.mark.parametrize("wrong", ["b", "nobody"])
def test_only_a_ready_task_can_be_settled(wrong: str) -> None:
    walker = Walker(Plan((task("a"), task("b", "a"))))
    with pytest.raises(ValueError, match=f"'{wrong}' is not ready"):
        walker.finish(wrong)
    with pytest.raises(ValueError, match=f"'{wrong}' is not ready"):
        walker.fail(wrong)


def test_no_task_can_be_settled_twice() -> None:
    walker = Walker(Plan((task("a"),)))
    walker.finish("a")
    with pytest.raises(ValueError, match="not ready"):
        walker.fail("a")


def test_a_repeated_id_is_refused() -> None:
    with pytest.raises(PlanError, match="'a' is in the plan more than once"):
        Walker(Plan((task("a"), task("a"))))


def test_a_need_outside_the_plan_is_refused() -> None:
    with pytest.raises(PlanError, match="'a' takes a product of 'elsewhere'"):
        Walker(Plan((task("a", "elsewhere"),)))


def test_a_circle_is_refused_and_named() -> None:
    with pytest.raises(PlanError, match=r"in a circle: \w -> \w -> \w$"):
        Walker(Plan((task("a", "b"), task("b", "a"))))
    with pytest.raises(PlanError, match="a -> a"):
        Walker(Plan((task("a", "a"),)))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any DAG of up to 12 tasks, listed in any order."""
    size = draw(st.integers(0, 12))
    tasks = [
        task(
            str(number), *(str(need) for need in draw(st.sets(st.integers(0, number - 1)))) if number else ()
        )
        for number in range(size)
    ]
    return Plan(tuple(draw(st.permutations(tasks))))


@given(plans(), st.data())
def test_every_task_is_settled_once_after_its_needs_and_blocked_only_by_a_failure(
    plan: Plan, data: st.DataObject
) -> None:
    walker, finished, failed, blocked = Walker(plan), set[str](), set[str](), set[str]()
    needs = {each.id: {i.task for i in each.inputs if isinstance(i, InputProduct)} for each in plan.tasks}
    while ready := ids(walker.ready()):
        chosen = data.draw(st.sampled_from(ready))
        assert needs[chosen] <= finished
        assert chosen not in finished | failed | blocked
        if data.draw(st.booleans()):
            walker.finish(chosen)
            finished.add(chosen)
        else:
            failed.add(chosen)
            newly = set(ids(walker.fail(chosen)))
            assert not newly & (finished | failed | blocked)
            blocked |= newly
    assert walker.done
    assert finished | failed | blocked == {each.id for each in plan.tasks}
    assert all(needs[each] & (failed | blocked) for each in blocked)
    assert all(needs[each] <= finished for each in finished | failed)
