"""The engine process, `python -m gistdesk.worker`: does what `gistdesk.protocol` can request, without Qt."""
