"""From a file as somebody has it to examples: what it is taken for is found, told, and may be corrected."""
