"""Who runs and who waits: properties that hold whatever arrives, leaves or ends."""

from hypothesis import given
from hypothesis import strategies as st

from timbral.inference.semantic.scheduler import Scheduler

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(0, 3)),
        st.tuples(st.just("release"), st.integers(0, 10)),
        st.tuples(st.just("admit"), st.just(0)),
    ),
    max_size=60,
)


@given(st.integers(1, 5), EVENTS)
def test_rows_are_bounded_without_gaps_and_never_shared(
    max_batch: int, events: list[tuple[str, int]]
) -> None:
    scheduler: Scheduler[list[int]] = Scheduler(max_batch)
    rows: dict[int, list[int]] = {}  # what a runner would hold, told by admissions and moves alone
    known: list[list[int]] = []
    for event, value in events:
        if event == "submit":
            known.append([len(known)])
            scheduler.submit(known[-1], group=value)
        elif event == "admit":
            for row, request in scheduler.admit():
                assert row not in rows
                rows[row] = request
            assert not scheduler.waiting or len(scheduler.running) == max_batch
        elif known:
            request = known.pop(value % len(known))
            was_running = any(request is other for other in scheduler.running)
            move = scheduler.release(request)
            if was_running:
                if move is not None:
                    rows[move.target] = rows[move.source]
                del rows[len(rows) - 1]
            assert scheduler.release(request) is None
        assert rows == dict(enumerate(scheduler.running))
        assert all(rows[row] is request for row, request in enumerate(scheduler.running))
        assert len(scheduler.running) <= max_batch
        assert sorted(map(id, (*scheduler.running, *scheduler.waiting))) == sorted(map(id, known))


@given(st.integers(1, 4), st.lists(st.integers(0, 4), min_size=1, max_size=40), st.randoms())
def test_everyone_gets_a_turn_however_many_keep_coming(max_batch: int, groups: list[int], random) -> None:  # type: ignore[no-untyped-def]
    scheduler: Scheduler[object] = Scheduler(max_batch)
    first = [object() for _ in groups]
    for request, group in zip(first, groups, strict=True):
        scheduler.submit(request, group)
    missing = set(map(id, first))
    for arrival in range(10 * len(groups) + 50):
        missing -= {id(request) for _, request in scheduler.admit()}
        if scheduler.running:
            scheduler.release(random.choice(scheduler.running))
        scheduler.submit(object(), group=f"newcomer {arrival}")  # a new caller at every turn
    assert not missing


def test_a_caller_with_many_requests_does_not_hold_up_one_with_few() -> None:
    scheduler: Scheduler[str] = Scheduler(1)
    for number in range(100):
        scheduler.submit(f"book {number}", group="book")
    order = []
    for turn in range(12):
        if turn in (2, 5):
            scheduler.submit(f"word {turn}", group=f"caller {turn}")
        ((_, request),) = scheduler.admit()
        order.append(request)
        scheduler.release(request)
    assert order.index("word 2") <= 4
    assert order.index("word 5") <= 7
    assert [request for request in order if request.startswith("book")] == [f"book {n}" for n in range(10)]


def test_two_callers_take_turns() -> None:
    scheduler: Scheduler[str] = Scheduler(1)
    for caller in "ab":
        for number in range(3):
            scheduler.submit(f"{caller}{number}", group=caller)
    order = []
    while scheduler.waiting:
        ((_, request),) = scheduler.admit()
        order.append(request)
        scheduler.release(request)
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_groups_that_are_gone_leave_nothing_behind() -> None:
    scheduler: Scheduler[object] = Scheduler(2)
    for number in range(1000):
        request = object()
        scheduler.submit(request, group=number)
        scheduler.admit()
        scheduler.release(request)
    assert len(scheduler._last_turn) <= 1


def test_urgent_requests_go_first_in_the_order_of_arrival() -> None:
    scheduler: Scheduler[str] = Scheduler(1)
    for name, group, urgent in (("a1", "a", False), ("b1", "b", True), ("a2", "a", True), ("b2", "b", False)):
        scheduler.submit(name, group, urgent=urgent)
    assert scheduler.waiting == ("b1", "a2", "a1", "b2")
