"""Training gist adapters: recipe, steps, checkpoints, and what a run will need."""
