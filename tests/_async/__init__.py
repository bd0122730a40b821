"""Tests of the asynchronous source; `tests/_sync` is generated from them."""
