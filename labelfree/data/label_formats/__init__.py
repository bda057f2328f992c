"""Objects and regions that people drew, in the formats of their tools: one module a format, read into the records of `listed`."""
