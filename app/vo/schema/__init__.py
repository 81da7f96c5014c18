"""The tables that TAP serves: their columns, and where each value comes from."""
