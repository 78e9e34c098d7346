"""The main window: what surrounds the three places, and drops onto it."""
