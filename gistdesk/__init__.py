"""gistdesk: turn a long document into a small file of gist KV, and ask questions of that file."""

__version__ = "0.1.0"
