"""A table of our own in the database of a store, and what one does with it."""

WORDS = ["CREATE TABLE words (word TEXT PRIMARY KEY);"]


def add(word):
    """An operation for the writer that inserts a word."""
    return lambda conn: conn.execute("INSERT INTO words VALUES (?)", (word,)).rowcount


def words(core):
    """All words, in order."""
    return [row[0] for row in core.read("SELECT word FROM words ORDER BY word")]
