"""What histories share."""

from elasticsearch_chat_history._requests.state import Windows


def test_a_start_holds_for_the_same_limit_and_smaller_ones() -> None:
    starts = Windows()
    starts.remember("s", 20, 1_000)
    assert starts.get("s", 20) == starts.get("s", 5) == 1_000
    assert starts.get("s", 21) is None
    assert starts.get("t", 1) is None


def test_only_so_many_starts_are_kept() -> None:
    starts = Windows(most=2)
    for session in "abac":
        starts.remember(session, 20, 1_000)
    assert [starts.get(session, 20) for session in "abc"] == [1_000, None, 1_000]
