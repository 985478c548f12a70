-- KEYS: the epoch, one that never exists. ARGV: member after which to begin or '', the most to return.
-- Returns members and values in turn.
require_primary()
local after, most, rows = ARGV[1], tonumber(ARGV[2]), {}
local separator = leaf_of(after) or redis.call('ZRANGE', leaves, 0, 0)[1]
while separator and #rows < 2 * most do
  local members = {}
  for _, member in ipairs(redis.call('ZRANGE', leaf_key(separator), 0, -1)) do
    if before(after, member) then
      members[#members + 1] = member
    end
  end
  table.sort(members, before)
  for at = 1, math.min(#members, most - #rows / 2) do
    rows[#rows + 1] = members[at]
    rows[#rows + 1] = redis.call('GET', record_key(members[at])) or ''
  end
  separator = redis.call('ZRANGEBYLEX', leaves, '(' .. separator, '+', 'LIMIT', 0, 1)[1]
end
return rows
