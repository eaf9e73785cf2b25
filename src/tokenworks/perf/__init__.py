"""See DESIGN in docs/architecture.md: the perf room."""
