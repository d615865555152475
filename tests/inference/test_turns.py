"""Turns on the cores: never more at once than there are, the most urgent first."""

import threading
import time

from timbral.inference.turns import Turns


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
