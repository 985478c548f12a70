"""Pure functions, one rule a file: time and randomness are arguments, nothing here reads or writes."""
