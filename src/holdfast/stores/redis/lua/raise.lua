-- KEYS: the epoch, one that never exists. ARGV: the least it must become, 1 if it must grow. Returns the epoch.
-- What belongs to the old one is set aside for the purge under its number.
prove()
local new = math.max(tonumber(ARGV[1]), epoch + tonumber(ARGV[2]))
if new == epoch then
  return epoch
end
redis.call('SET', epoch_key, new)
redis.call('SET', base .. 'z' .. tag, new) -- tells the feeds of changes
if redis.call('EXISTS', leaves) == 1 then
  redis.call('RENAME', leaves, leaves .. epoch)
  redis.call('ZADD', base .. 'g' .. tag, epoch, epoch)
end
redis.call('DEL', ends)
return new
