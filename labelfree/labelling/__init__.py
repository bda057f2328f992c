"""Labels given by a person in a browser page on this machine: which image is next, what was answered, and the table it is kept in."""
