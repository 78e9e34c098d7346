"""What a benchmark or a model shows people: pages, pictures, tables."""
