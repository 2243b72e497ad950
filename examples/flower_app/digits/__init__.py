"""One run, four engines: see `task`."""
