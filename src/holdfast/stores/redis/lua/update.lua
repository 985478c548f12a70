-- KEYS: the record, the epoch. ARGV: member, the version it must have, the new value, '1' if WAIT follows.
-- Returns 1, or 0 if the record is gone or changed. Later activity than the new value's is kept.
local old, value = redis.call('GET', KEYS[1]) or '', ARGV[3]
if ARGV[4] == '1' then
  prove()
end
if not alive(old) or old:sub(7, 14) ~= ARGV[2] then
  return 0
end
require_known(old)
local seen, expires = struct.unpack('>I6I6', old, 21)
local new_seen, new_expires = struct.unpack('>I6I6', value, 21)
if old:byte(2) % 4 ~= value:byte(2) % 4 or old:sub(67, 82) ~= value:sub(67, 82) then
  local before_list, list = subject_list(old, epoch), subject_list(value, epoch)
  if before_list and before_list ~= list then
    redis.call('ZREM', before_list, ARGV[1])
  end
  if list and before_list ~= list then
    redis.call('ZADD', list, 0, ARGV[1])
  end
end
local flags, tail = value:byte(2), nil
if seen > new_seen then
  local length = struct.unpack('>I2', value, 65)
  local address = old:sub(#old - struct.unpack('>I2', old, 65) + 1)
  flags = flags - (has(value, 4) and 4 or 0) + (has(old, 4) and 4 or 0)
  tail = struct.pack('>I2', #address) .. value:sub(67, #value - length) .. address
end
redis.call('SET', KEYS[1], struct.pack('>BBI4', LAYOUT, flags, epoch) .. value:sub(7, 20)
  .. struct.pack('>I6I6', math.max(seen, new_seen), math.max(expires, new_expires))
  .. value:sub(33, 64) .. (tail or value:sub(65)))
return 1
