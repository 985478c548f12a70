-- KEYS: the record, the epoch, the quota. ARGV: limit, period, proof or nothing.
-- Returns the value and what was taken, or only the value, or nothing. As `get.lua`, without record.lua.
local value = redis.pcall('GETEX', KEYS[1], 'PERSIST')
if type(value) == 'table' then
  if not (value.err:find('MISCONF', 1, true) or value.err:find('NOREPLICAS', 1, true)) then
    return value
  end
  value = redis.call('GET', KEYS[1])
end
local epoch = tonumber(redis.call('GET', KEYS[2]) or 0)
if not value or (#value >= 66 and struct.unpack('>I4', value, 3) ~= epoch) then
  return false
end
local damaged = #value < 66 or value:byte(1) ~= 1
if damaged or (ARGV[3] and value:sub(33, 64) ~= ARGV[3]) then
  return {value}
end
return {value, take(KEYS[3], tonumber(ARGV[1]), tonumber(ARGV[2]), now_ms())}
