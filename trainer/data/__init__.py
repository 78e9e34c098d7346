"""Where training samples come from: one module per kind, each of which gives units of work."""
