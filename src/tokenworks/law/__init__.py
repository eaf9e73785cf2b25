"""See DESIGN in docs/architecture.md: the law room."""
