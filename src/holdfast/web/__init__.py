"""One framework a file: each turns its requests into facts for the chain, and decides nothing."""
