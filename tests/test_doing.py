import logging

import pytest

from ganexp.types.doing import doing, spaced, telling


def test_what_begins_is_said_before_and_how_far_it_is_now_and_then():
    said, heard = [], []
    show = spaced(said.append, seconds=100)

    def listen(text, begins):
        heard.append((text, begins))
        show(text, begins)

    with telling(listen), doing("counting", 4) as done:
        assert said == ["counting: 4 to do"]
        done(1)
        done(2)
    assert said == ["counting: 4 to do"]
    assert heard[1][0].startswith("counting: 1 of 4, about ") and heard[-1] == ("", False)


def test_quick_work_has_no_line_of_its_own():
    said = []
    with telling(spaced(said.append)), doing("blinking", quick=True):
        pass
    assert said == []


def test_the_innermost_listener_hears_and_may_end_the_work():
    outer, inner = [], []
    with telling(lambda text, begins: outer.append(text)):
        with telling(lambda text, begins: inner.append(text)), doing("inside"):
            pass
        with doing("outside"):
            pass
    assert inner == ["inside ...", ""] and outer == ["outside ...", ""]

    def stop(text, begins):
        raise InterruptedError

    with telling(stop), pytest.raises(InterruptedError), doing("nothing"):
        raise AssertionError("the work has begun")


def test_without_a_listener_it_is_logged(caplog):
    caplog.set_level(logging.INFO, "ganexp")
    with doing("working", 2):
        pass
    assert caplog.messages == ["working: 2 to do"]
