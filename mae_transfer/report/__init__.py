"""Results -> names, tables, pictures. No other room imports this one."""
