"""See DESIGN in docs/architecture.md: the simulate room."""
