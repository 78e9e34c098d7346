"""The Library place and the reader of kept texts."""
