"""Work in threads beside other work."""

import threading

import pytest

from minitx.devices import beside as module
from minitx.devices.beside import beside


def test_calls_run_beside_the_block_and_have_ended_after_it():
    in_block, in_call = threading.Event(), threading.Event()
    done = []

    def call(number):
        in_call.set()
        assert in_block.wait(20)
        done.append(number)

    with beside(lambda: call(3), lambda: call(5)):
        assert in_call.wait(20)  # the call runs before the block ends, and the block before it ends
        in_block.set()
    assert sorted(done) == [3, 5]


def test_an_error_of_a_call_is_dropped_and_one_of_the_block_is_not():
    with beside(lambda: 1 / 0):
        pass
    done = []
    with pytest.raises(KeyError), beside(lambda: done.append(7)):
        raise KeyError
    assert done == [7]


def test_with_other_processes_no_call_is_made(monkeypatch):
    monkeypatch.setattr(module, "is_alone", lambda: False)
    done = []
    with beside(lambda: done.append(7)):
        pass
    assert done == []
