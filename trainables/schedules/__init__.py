"""The built-in schedules: a component a file; the file's name is the component's."""
