"""The HTTP API and the page: parses, asks the engine in worker processes, renders. It computes nothing."""
