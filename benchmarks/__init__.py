"""What measures the project itself: each is a command, `python -m benchmarks.NAME`."""
