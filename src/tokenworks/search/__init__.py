"""See DESIGN in docs/architecture.md: the search room."""
