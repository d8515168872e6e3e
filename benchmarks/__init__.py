"""Speed and memory against other tools: ``python -m benchmarks``, or ``make bench``."""
