-- All records of a tag, in the order of their ids: leaves of at most 127 members, which Redis keeps
-- compact, and a directory of the first id of each leaf. The score of a member is the second in which
-- its record may have ended: it is never too late, and too early after a touch, which leaves it alone.
-- A second directory orders the leaves by the earliest of these.
local LEAF = 127
local leaves, ends = base .. 'd' .. tag, base .. 'x' .. tag
local leaf_base = base .. 'l' .. tag

local function leaf_key(separator, of)
  return leaf_base .. (of or epoch) .. ':' .. separator
end

local function leaf_of(member)
  local found = if_here('ZREVRANGEBYLEX', leaves, '[' .. member, '-', 'LIMIT', 0, 1)
  return found and found[1]
end

-- Lua's own comparison follows the server's locale.
local function before(one, other)
  for at = 1, math.min(#one, #other) do
    local a, b = one:byte(at), other:byte(at)
    if a ~= b then
      return a < b
    end
  end
  return #one < #other
end

-- The shortest text that is after `low` and not after `high`.
local function separator_of(low, high)
  local at = 1
  while low:byte(at) == high:byte(at) do
    at = at + 1
  end
  return high:sub(1, at)
end

local function split(key)
  local found = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  local members, due = {}, {}
  for at = 1, #found, 2 do
    members[#members + 1] = found[at]
    due[found[at]] = tonumber(found[at + 1])
  end
  table.sort(members, before)
  local middle = math.floor(#members / 2) + 1
  local separator = separator_of(members[middle - 1], members[middle])
  local earliest = math.huge
  for at = middle, #members do
    local member = members[at]
    redis.call('ZADD', leaf_key(separator), due[member], member)
    redis.call('ZREM', key, member)
    earliest = math.min(earliest, due[member])
  end
  redis.call('ZADD', leaves, 0, separator)
  redis.call('ZADD', ends, earliest, separator)
end

local function index(member, expires)
  local separator, second = leaf_of(member), math.floor(expires / 1000)
  if not separator then
    separator = ''
    redis.call('ZADD', leaves, 0, separator)
  end
  local key = leaf_key(separator)
  redis.call('ZADD', key, second, member)
  redis.call('ZADD', ends, 'LT', second, separator)
  if redis.call('ZCARD', key) > LEAF then
    split(key)
  end
end

local function unindex(member)
  local separator = leaf_of(member)
  if not separator then
    return
  end
  local removed = if_here('ZREM', leaf_key(separator), member)
  if removed == 1 and if_here('EXISTS', leaf_key(separator)) == 0 then
    if_here('ZREM', leaves, separator)
    if_here('ZREM', ends, separator)
  end
end

-- The end of a record: it, its place in the subject's list, and its place in the order of ids.
local function remove(member, head)
  redis.call('DEL', record_key(member))
  local list = #head >= HEAD and subject_list(head, epoch)
  if list then
    if_here('ZREM', list, member)
  end
  unindex(member)
end
