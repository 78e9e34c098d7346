"""Measuring: tasks, methods, scores, and the folder that keeps every trial."""
