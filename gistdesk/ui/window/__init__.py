"""The main window: what surrounds the three places, and what is dropped onto it."""
