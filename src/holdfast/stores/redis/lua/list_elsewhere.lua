-- KEYS: the epoch, one that never exists. ARGV: key of the subject, an id of another slot, '1' to add it, '0' to take it off.
local list = base .. 'f' .. tag .. epoch .. ':' .. ARGV[1]
if ARGV[3] == '0' then
  return redis.call('ZREM', list, ARGV[2])
end
redis.call('ZADD', list, 0, ARGV[2])
redis.call('EXPIRE', list, 31622400) -- after an epoch nothing else would ever clear it
return 1
