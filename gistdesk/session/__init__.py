"""The window's state without its widgets: library, engine process, queue, answers, runs and settings behind signals."""
