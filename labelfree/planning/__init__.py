"""From what the data and the machine are to what every `auto` becomes, each with its reason."""
