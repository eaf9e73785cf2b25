"""See DESIGN in docs/architecture.md: the deliver room."""
