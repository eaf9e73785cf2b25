"""See DESIGN in docs/architecture.md: the app room."""
