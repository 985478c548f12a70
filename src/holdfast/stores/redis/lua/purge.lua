-- KEYS: the epoch, one that never exists. ARGV: the most to remove. Returns how many went, and 1 if there may be more.
require_primary()
local most, went, looked = tonumber(ARGV[1]), 0, 0
local now = now_ms()
local second = math.floor(now / 1000)
local past = base .. 'g' .. tag

-- A record of an epoch that is over, with the whole list that it is on: all of that is over.
local function remove_past(member, of)
  local head = redis.call('GETRANGE', record_key(member), 0, 81)
  if #head < HEAD or struct.unpack('>I4', head, 3) == tonumber(of) then
    redis.call('DEL', record_key(member))
    local list = #head >= HEAD and subject_list(head, of)
    if list then
      redis.call('DEL', list)
    end
  end
end

local function purge_past(of)
  local directory = leaves .. of
  local separator = redis.call('ZRANGE', directory, 0, 0)[1]
  if not separator then
    redis.call('ZREM', past, of)
    return
  end
  local key = leaf_key(separator, of)
  for _, member in ipairs(redis.call('ZRANGE', key, 0, most - went - 1)) do
    remove_past(member, of)
    redis.call('ZREM', key, member)
    went = went + 1
  end
  if redis.call('EXISTS', key) == 0 then
    redis.call('ZREM', directory, separator)
  end
end

-- A record that was touched since is looked at again in the second in which it now may end.
local function purge_due(member, key)
  local head = redis.call('GETRANGE', record_key(member), 0, 81)
  local expires = #head >= HEAD and struct.unpack('>I6', head, 27) or 0
  if expires > now then
    redis.call('ZADD', key, math.max(math.floor(expires / 1000), second + 1), member)
    return
  end
  if head ~= '' then
    went = went + 1
  end
  remove(member, head)
end

local function purge_leaf(separator)
  local key = leaf_key(separator)
  local found = redis.call('ZRANGEBYSCORE', key, '-inf', second, 'LIMIT', 0, most - went)
  for _, member in ipairs(found) do
    purge_due(member, key)
  end
  looked = looked + #found + 1
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', ends, first[2], separator)
  else
    redis.call('ZREM', ends, separator)
    redis.call('ZREM', leaves, separator)
  end
end

while went < most and looked < 4 * most do
  local of = redis.call('ZRANGE', past, 0, 0)[1]
  local separator = not of and redis.call('ZRANGEBYSCORE', ends, '-inf', second, 'LIMIT', 0, 1)[1]
  if of then
    purge_past(of)
  elseif separator then
    purge_leaf(separator)
  else
    return {went, 0}
  end
end
return {went, 1}
