"""The service: index archive headers, evaluate OCA rules, answer with trees of calibrations."""
