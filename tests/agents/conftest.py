"""What the tests of agents share."""

from tests.test_examples import adapt

__all__ = ["adapt"]
