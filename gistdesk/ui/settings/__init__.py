"""The settings window, one module per page."""
