"""See DESIGN in docs/architecture.md: the fabric room."""
