"""The bundled starter model, made from nothing. Knows no other model."""
