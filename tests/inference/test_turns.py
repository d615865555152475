"""Turns on the cores: never more at once than there are, the most urgent first."""

import threading
import time

from timbral.inference.turns import COMFORT, Turns


def test_the_most_urgent_goes_first_and_the_cancelled_not_at_all() -> None:
    turns, order = Turns(1), []
    given_up = threading.Event()

    def work(name: str, deadline: float) -> None:
        with turns.turn(deadline, given_up.is_set if name == "given up" else lambda: False) as mine:
            if mine:
                order.append(name)

    threads = [
        threading.Thread(target=work, args=one) for one in (("late", 9.0), ("given up", 0.0), ("soon", 1.0))
    ]
    with turns.turn(0.0, lambda: False):
        for thread in threads:
            thread.start()
            time.sleep(0.02)
        given_up.set()
        threads[1].join()
        assert order == []
    for thread in threads:
        thread.join()
    assert order == ["soon", "late"]


def test_no_more_at_once_than_the_limit() -> None:
    turns, lock, running, most = Turns(2), threading.Lock(), 0, 0

    def work() -> None:
        nonlocal running, most
        for _ in range(20):
            with turns.turn(0.0, lambda: False):
                with lock:
                    running += 1
                    most = max(most, running)
                time.sleep(0.001)
                with lock:
                    running -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_who_has_enough_waits_for_the_first_sound_of_others() -> None:
    turns, order = Turns(2), []

    def work(name: str, ahead: float) -> None:
        with turns.turn(time.perf_counter() + ahead, lambda: False) as mine:
            assert mine
            order.append(name)

    turns.begin()
    threads = [
        threading.Thread(target=work, args=one)
        for one in (("comfortable", COMFORT + 60), ("soon", COMFORT / 2), ("late", -1.0))
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    threads[1].join()
    threads[2].join()
    assert order == ["soon", "late"]
    turns.heard()
    threads[0].join(5)
    assert order == ["soon", "late", "comfortable"]


def test_who_rests_can_be_cancelled() -> None:
    turns, given_up = Turns(1), threading.Event()
    turns.begin()
    resting = threading.Thread(
        target=turns.rest, args=(time.perf_counter() + 60, given_up.is_set), daemon=True
    )
    resting.start()
    given_up.set()
    resting.join(5)
    assert not resting.is_alive()
