"""Objects and regions that people drew, in the formats of the tools they drew them with: one module a format, read into `listed`'s records."""
