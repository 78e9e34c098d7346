"""Starting and ending the window's process. Knows nothing of what the window shows."""
