"""The Chat place."""
