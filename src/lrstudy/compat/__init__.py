"""All code that reaches into private parts of libraries, or changes a process's global state."""
