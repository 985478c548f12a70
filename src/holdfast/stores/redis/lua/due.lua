-- KEYS: the epoch, one that never exists. Returns 1 if there may be something to purge in this tag.
if redis.call('EXISTS', base .. 'g' .. tag) == 1 then
  return 1
end
local second = math.floor(now_ms() / 1000)
return #redis.call('ZRANGEBYSCORE', ends, '-inf', second, 'LIMIT', 0, 1)
