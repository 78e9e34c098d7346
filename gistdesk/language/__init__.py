"""What the program says, in the language of the window: texts, errors, figures."""
