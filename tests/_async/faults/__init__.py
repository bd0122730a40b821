"""Tests of the asynchronous source under real faults; their twins are generated."""
