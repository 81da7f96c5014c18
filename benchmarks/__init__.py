"""Speed and memory: `make bench` or `python -m benchmarks`; never part of the tests, never asserted."""
