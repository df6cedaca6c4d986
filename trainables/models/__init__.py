"""The built-in models: a component a file; the file's name is the component's."""
