"""How a benchmark or a model is shown to people: pages, pictures, tables."""
