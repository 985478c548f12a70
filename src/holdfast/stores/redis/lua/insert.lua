-- KEYS: the record, the epoch. ARGV: member, value, cap or '', 'evict_oldest' or 'reject',
-- member of the replaced record or '', its version.
-- Returns a word, and the members that were evicted.
local member, value, limit, replaced = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[5]
value = value:sub(1, 2) .. struct.pack('>I4', epoch) .. value:sub(7)
local list = subject_list(value, epoch)

local function head_of(each)
  return redis.call('GETRANGE', record_key(each), 0, 81)
end

-- The subject's living sessions without the replaced one, oldest first.
local function rivals()
  local found, now = {}, now_ms()
  for _, each in ipairs(redis.call('ZRANGE', list, 0, -1)) do
    local head = head_of(each)
    if each ~= replaced and alive(head) then
      local created, _, expires = struct.unpack('>I6I6I6', head, 15)
      if expires > now then
        found[#found + 1] = {created, each}
      end
    end
  end
  table.sort(found, function(a, b)
    return a[1] < b[1] or (a[1] == b[1] and before(a[2], b[2]))
  end)
  return found
end

if redis.call('EXISTS', KEYS[1]) == 1 then
  return {'exists'}
end
local old = replaced ~= '' and head_of(replaced) or ''
if alive(old) and old:sub(7, 14) ~= ARGV[6] then
  return {'changed'}
end
local answer = {'admitted'}
if limit and list then
  local living = rivals()
  local over = #living + 1 - limit
  if over > 0 and (ARGV[4] == 'reject' or limit < 1) then
    return {'cap'}
  end
  for at = 1, over do
    remove(living[at][2], head_of(living[at][2]))
    answer[#answer + 1] = living[at][2]
  end
end
if alive(old) then
  remove(replaced, old)
end
redis.call('SET', epoch_key, 0, 'NX')
redis.call('SET', KEYS[1], value)
if list then
  redis.call('ZADD', list, 0, member)
end
index(member, (struct.unpack('>I6', value, 27)))
return answer
