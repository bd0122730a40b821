"""The numbers of our documents tell whether others write."""

from typing import Any

import pytest

from elasticsearch_chat_history._requests.other_writers import RECENT_SECONDS, OtherWriters

REFUSED: dict[str, Any] = {"status": 400, "_index": "chats", "error": {}}


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def stored(*numbers: int, index: str = "chats") -> list[dict[str, Any]]:
    return [{"status": 201, "_index": index, "_seq_no": number} for number in numbers]


def test_the_first_request_shows_nobody() -> None:
    others = OtherWriters()
    others.note(stored(1_000, 1_001))
    assert not others.active


@pytest.mark.parametrize(
    ("items", "active"),
    [
        (stored(12, 13), False),
        (stored(14, 15), False),
        (stored(15, 16), False),
        (stored(16, 17), True),
        (stored(17, 16), True),
        (stored(16, 17, 18), False),
        ([REFUSED, *stored(14)], True),
        (stored(900, 901, index="another"), False),
    ],
    ids=[
        "nobody between",
        "others as much as we",
        "others not twice as much",
        "others twice as much",
        "in another order",
        "as much again for three",
        "what is refused has no number",
        "another index",
    ],
)
def test_numbers_between_ours_were_given_to_others(
    items: list[dict[str, Any]], active: bool
) -> None:
    others = OtherWriters(Clock())
    others.note(stored(10, 11))
    others.note(items)
    assert others.active is active


def test_others_are_forgotten_when_they_have_ended() -> None:
    others = OtherWriters(Clock())
    for numbers in ((10, 11), (30, 31)):
        others.note(stored(*numbers))
    assert others.active
    others.note(stored(32, 33))
    assert not others.active


def test_what_was_written_in_a_long_pause_does_not_count() -> None:
    clock = Clock()
    others = OtherWriters(clock)
    others.note(stored(10, 11))
    clock.seconds += RECENT_SECONDS * 1.01
    others.note(stored(30, 31))
    assert not others.active


def test_an_answer_without_a_stored_document_changes_nothing() -> None:
    others = OtherWriters(Clock())
    for items in (stored(10, 11), stored(30, 31), [REFUSED]):
        others.note(items)
    assert others.active


def test_who_ignores_others_never_sees_them_again() -> None:
    others = OtherWriters(Clock())
    for numbers in ((10, 11), (30, 31)):
        others.note(stored(*numbers))
    others.ignore()
    assert not others.active
    others.note(stored(50, 51))
    assert not others.active
