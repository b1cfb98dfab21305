"""Executors: places where a task runs, be it a thread or another process."""
