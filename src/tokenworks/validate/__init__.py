"""See DESIGN in docs/architecture.md: the validate room."""
