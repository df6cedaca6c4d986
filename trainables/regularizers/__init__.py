"""The built-in regularizers: a component a file; the file's name is the component's."""
