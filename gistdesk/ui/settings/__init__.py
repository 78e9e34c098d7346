"""The settings window, a module per page."""
