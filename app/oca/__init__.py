"""The OCA rule language: syntax, parser, meaning."""
