"""All SQL under one roof: tables, match keys, storing and finding frames, the database itself."""
