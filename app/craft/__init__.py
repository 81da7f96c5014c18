"""The bench of whoever writes rulebooks: tables tried, coverage, cascades as maps, rules explained, pages."""
