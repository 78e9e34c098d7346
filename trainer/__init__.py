"""Training and measuring gist adapters. Uses gistdesk.core; knows nothing of the window."""
