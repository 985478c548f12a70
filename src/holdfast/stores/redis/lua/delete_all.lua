-- KEYS: the epoch, one that never exists. ARGV: key of the subject, member to keep or '', the most to remove.
-- Returns how many were looked at, how many are on the list now, the ids in other slots, and the members
-- that were removed.
prove()
local list = base .. 's' .. tag .. epoch .. ':' .. ARGV[1]
local others = redis.call('ZRANGE', base .. 'f' .. tag .. epoch .. ':' .. ARGV[1], 0, -1)
local found, removed = redis.call('ZRANGE', list, 0, tonumber(ARGV[3]) - 1), {}
for _, member in ipairs(found) do
  local head = redis.call('GETRANGE', record_key(member), 0, 81)
  if member ~= ARGV[2] then
    if head == '' then
      redis.call('ZREM', list, member)
    else
      remove(member, head)
      redis.call('ZREM', list, member)
      removed[#removed + 1] = member
    end
  end
end
return {#found, redis.call('ZCARD', list), others, removed}
