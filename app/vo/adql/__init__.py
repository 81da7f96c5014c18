"""The subset of ADQL that archive clients send: text -> syntax -> one SELECT with bound values."""
