-- KEYS: the quota. ARGV: limit, period.
return take(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), now_ms())
