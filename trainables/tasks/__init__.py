"""The built-in tasks: a component a file; the file's name is the component's."""
