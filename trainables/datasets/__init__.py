"""The built-in datasets: a component a file; the file's name is the component's."""
