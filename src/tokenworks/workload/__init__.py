"""See DESIGN in docs/architecture.md: the workload room."""
