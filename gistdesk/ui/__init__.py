"""The window. Knows documents, chats and jobs through the desk; knows nothing of tensors or models' insides."""
