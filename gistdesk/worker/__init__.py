"""The engine process, `python -m gistdesk.worker`: does what `gistdesk.protocol` can ask for, without Qt."""
