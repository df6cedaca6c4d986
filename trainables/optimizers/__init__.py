"""The built-in optimizers: a component a file; the file's name is the component's."""
