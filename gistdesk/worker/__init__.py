"""The engine process: `python -m gistdesk.worker` answers the requests of `gistdesk.protocol` with torch, not with Qt."""
