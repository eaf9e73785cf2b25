"""See DESIGN in docs/architecture.md: the cost room."""
