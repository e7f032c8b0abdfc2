"""Text to syntax tree and back: the grammar's tables, the parser with recovery, the formatter."""
