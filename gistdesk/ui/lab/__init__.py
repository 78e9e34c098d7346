"""The Lab: training, benchmark, runs, attention."""
