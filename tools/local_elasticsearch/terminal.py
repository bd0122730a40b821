"""What is said to the person at the terminal."""

import sys


def say(text: str, *, end: str = "\n") -> None:
    """Write to standard error; standard output is for the address alone."""
    print(text, end=end, file=sys.stderr, flush=True)
