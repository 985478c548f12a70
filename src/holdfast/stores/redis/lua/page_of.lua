-- KEYS: the epoch, one that never exists. ARGV: key of the subject, member after which to begin or '', the most to return.
-- Returns the ids in other slots, and members and values in turn; '' for a value that is gone.
require_primary()
local list = base .. 's' .. tag .. epoch .. ':' .. ARGV[1]
local others = redis.call('ZRANGE', base .. 'f' .. tag .. epoch .. ':' .. ARGV[1], 0, -1)
local found = redis.call('ZRANGEBYLEX', list, '(' .. ARGV[2], '+', 'LIMIT', 0, tonumber(ARGV[3]))
local rows = {}
for _, member in ipairs(found) do
  rows[#rows + 1] = member
  rows[#rows + 1] = redis.call('GET', record_key(member)) or ''
end
return {others, rows}
