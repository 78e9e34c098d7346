"""A server on this computer in the form of OpenAI's chat completions. Knows the engine's protocol; loads no model."""
