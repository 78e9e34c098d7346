"""A server on this computer that speaks OpenAI's chat completions. Knows the engine's protocol; loads no model."""
